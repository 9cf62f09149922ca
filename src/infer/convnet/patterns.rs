//! Operators that stand in a file as several nodes in a row.

use super::lower::Lowering;
use super::onnx::{Constant, Node};
use crate::infer::cpu::{Activation, Shape};

/// What belongs to a layer beside its weights.
pub struct Layer {
    /// Factor of each output's weights.
    pub scale: Vec<f32>,
    /// Of each output.
    pub bias: Vec<f32>,
    /// Applied last.
    pub activation: Activation,
    /// The value that it makes.
    pub end: String,
    /// Nodes that it is made of.
    pub nodes: usize,
}

/// Weight, bias, epsilon, and the value that is made.
type Norm = (Vec<f32>, Vec<f32>, f32, String);

fn is_about(constant: Option<&Constant>, value: f32) -> bool {
    constant.is_some_and(|c| matches!(c.values.as_slice(), [only] if (only - value).abs() < 1e-4))
}

impl Lowering<'_> {
    /// Whether the nodes from `ahead` on have these operators.
    fn follow(&self, ahead: usize, ops: &[&str]) -> bool {
        ops.iter().enumerate().all(|(index, op)| self.node(ahead + index).is_some_and(|node| node.op == *op))
    }

    fn is(&self, a: &str, b: &str) -> bool {
        self.name(a) == self.name(b)
    }

    /// The layer whose weights the next node applies: a bias, a normalisation and an activation
    /// that follow join it, where nothing else uses what lies between.
    pub fn layer(&self, output: &str, out: usize, bias: Vec<f32>) -> Option<Layer> {
        let (scale, activation) = (vec![1.0; out], Activation::None);
        let mut layer = Layer { scale, bias, activation, end: output.to_owned(), nodes: 1 };
        (layer.bias.len() == out).then_some(())?;
        if let Some(node) = self.node(1).filter(|node| self.alone(&layer.end, node)) {
            match node.op.as_str() {
                "Add" => {
                    let bias = self.constant(node.input(1)).filter(|bias| bias.values.len() == out);
                    if let Some(bias) = bias {
                        layer.bias.iter_mut().zip(&bias.values).for_each(|(b, add)| *b += add);
                        layer.take(node);
                    }
                }
                "BatchNormalization" => {
                    self.fold(node, out, &mut layer)?;
                    layer.take(node);
                }
                _ => {}
            }
        }
        if let Some((activation, end, nodes)) = self.activation(layer.nodes, &layer.end) {
            (layer.activation, layer.end) = (activation, end);
            layer.nodes += nodes;
        }
        Some(layer)
    }

    fn alone(&self, value: &str, node: &Node) -> bool {
        self.is(node.input(0), value) && self.uses(value) == 1
    }

    /// (x − mean) / √(variance + ε) · weight + bias, as a factor and a sum.
    fn fold(&self, node: &Node, out: usize, layer: &mut Layer) -> Option<()> {
        let values = |index| self.constant(node.input(index)).map(|c| &c.values).filter(|v| v.len() == out);
        let (weight, bias, mean, variance) = (values(1)?, values(2)?, values(3)?, values(4)?);
        let epsilon = node.float("epsilon", 1e-5);
        let given = weight.iter().zip(bias).zip(mean.iter().zip(variance));
        for ((scale, own), ((w, b), (m, v))) in layer.scale.iter_mut().zip(&mut layer.bias).zip(given) {
            let factor = w / (v + epsilon).sqrt();
            *scale *= factor;
            *own = (*own - m) * factor + b;
        }
        Some(())
    }

    /// An activation of `x` that begins `ahead`, the value it makes, and its nodes.
    fn activation(&self, ahead: usize, x: &str) -> Option<(Activation, String, usize)> {
        let node = |index: usize| self.node(ahead + index);
        let end = |index| node(index).map(|node| node.output().to_owned());
        if self.follow(ahead, &["Relu"]) && self.alone(x, node(0)?) {
            return Some((Activation::Relu, end(0)?, 1));
        }
        let twice = self.uses(x) == 2 && self.is(node(0)?.input(0), x);
        // x/2 · (1 + erf(x / √2))
        if twice && self.follow(ahead, &["Div", "Erf", "Add", "Mul", "Mul"]) {
            let (div, erf, add, by, half) = (node(0)?, node(1)?, node(2)?, node(3)?, node(4)?);
            let chained = self.is(erf.input(0), div.output())
                && self.is(add.input(0), erf.output())
                && self.is(by.input(0), x)
                && self.is(by.input(1), add.output())
                && self.is(half.input(0), by.output());
            let constants = is_about(self.constant(div.input(1)), std::f32::consts::SQRT_2)
                && is_about(self.constant(add.input(1)), 1.0)
                && is_about(self.constant(half.input(1)), 0.5);
            return (chained && constants).then_some((Activation::Gelu, end(4)?, 5));
        }
        if twice && self.follow(ahead, &["Sigmoid", "Mul"]) {
            let (sigmoid, by) = (node(0)?, node(1)?);
            let chained = self.is(by.input(0), x) && self.is(by.input(1), sigmoid.output());
            return chained.then_some((Activation::Silu, end(1)?, 2));
        }
        None
    }

    /// The next nine nodes as a layer norm over channels.
    pub fn layer_norm(&self) -> Option<Norm> {
        let ops = ["ReduceMean", "Sub", "Pow", "ReduceMean", "Add", "Sqrt", "Div", "Mul", "Add"];
        let node = |index: usize| self.node(index);
        let last = |index: usize| node(index).is_some_and(|node| node.ints("axes") == [-1]);
        (self.follow(0, &ops) && last(0) && last(3)).then_some(())?;
        is_about(self.constant(node(2)?.input(1)), 2.0).then_some(())?;
        let [epsilon] = *self.constant(node(4)?.input(1))?.values.as_slice() else { return None };
        let chained = (2..9).all(|index| {
            let from = if index == 6 { 1 } else { index - 1 };
            node(index).zip(node(from)).is_some_and(|(node, from)| self.is(node.input(0), from.output()))
        });
        let divides = self.is(node(6)?.input(1), node(5)?.output());
        (chained && divides).then_some(())?;
        let values = |index: usize| Some(self.constant(node(index)?.input(1))?.values.clone());
        Some((values(7)?, values(8)?, epsilon, node(8)?.output().to_owned()))
    }

    /// The next sixteen nodes as attention of all pixels to all: rows of (query, key, value) heads.
    pub fn attention(&self) -> Option<(Shape, String)> {
        let ops = [
            "Reshape",
            "Transpose",
            "Slice",
            "Squeeze",
            "Mul",
            "Add",
            "Slice",
            "Squeeze",
            "Slice",
            "Squeeze",
            "Transpose",
            "MatMul",
            "Softmax",
            "MatMul",
            "Transpose",
            "Reshape",
        ];
        self.follow(0, &ops).then_some(())?;
        let node = |index: usize| self.node(index);
        let ints = |index: usize, input: usize| Some(self.constant(node(index)?.input(input))?.ints.clone());
        let [0, -1, 3, heads, width] = *ints(0, 1)?.as_slice() else { return None };
        let orders: [(usize, &[i64]); 3] = [(1, &[2, 0, 3, 1, 4]), (10, &[0, 1, 3, 2]), (14, &[0, 2, 1, 3])];
        let ordered = orders.iter().all(|(at, order)| node(*at).is_some_and(|n| n.ints("perm") == *order));
        let sliced = [(2, 0), (6, 1), (8, 2)].iter().all(|(at, first)| ints(*at, 1) == Some(vec![*first]));
        let plain = is_about(self.constant(node(5)?.input(1)), 0.0) && node(12)?.int("axis", 1) == 3;
        (ordered && sliced && plain && ints(15, 1)? == [0, -1, heads * width]).then_some(())?;
        let [scale] = *self.constant(node(4)?.input(1))?.values.as_slice() else { return None };
        let size = |int: i64| usize::try_from(int).ok().filter(|n| (1..=4096).contains(n));
        let shape = Shape { heads: size(heads)?, width: size(width)?, scale };
        Some((shape, node(15)?.output().to_owned()))
    }

    /// Nodes that turn a picture of one row into a sequence or back, which is nothing where channels
    /// come last: what goes in, what comes out, how many nodes.
    pub fn reshaping(&self) -> Option<(String, String, usize)> {
        let forms: [(&[&str], usize, usize, &[i64]); 3] = [
            (
                &["Shape", "Slice", "Squeeze", "Shape", "Slice", "Concat", "Reshape", "Transpose"],
                6,
                7,
                &[0, 2, 1],
            ),
            (&["Reshape", "Unsqueeze", "Concat", "Reshape", "Transpose"], 3, 4, &[0, 3, 1, 2]),
            (&["Squeeze", "Transpose"], 0, 1, &[0, 2, 1]),
        ];
        let found = forms.iter().find(|(ops, _, last, order)| {
            self.follow(0, ops) && self.node(*last).is_some_and(|node| node.ints("perm") == *order)
        });
        let (_, first, last, _) = found?;
        let (from, end) = (self.node(*first)?.input(0), self.node(*last)?.output());
        Some((from.to_owned(), end.to_owned(), last + 1))
    }

    /// By how much a nearest-neighbour resize repeats pixels.
    pub fn enlarging(&self, node: &Node) -> Option<(usize, usize)> {
        let repeats = node.text("mode") == "nearest"
            && node.text("coordinate_transformation_mode") == "asymmetric"
            && node.text("nearest_mode") == "floor";
        let [one, same, down, across] = *self.constant(node.input(2))?.values.as_slice() else { return None };
        let whole = |by: f32| (by.fract() == 0.0 && (1.0..=64.0).contains(&by)).then_some(by as usize);
        (repeats && one == 1.0 && same == 1.0).then_some((whole(down)?, whole(across)?))
    }
}

impl Layer {
    fn take(&mut self, node: &Node) {
        node.output().clone_into(&mut self.end);
        self.nodes += 1;
    }
}
