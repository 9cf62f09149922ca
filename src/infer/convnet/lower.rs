//! The nodes of a file as a program: bias, normalisation and activation join their layer, and what
//! only moves axes about is nothing where channels come last.

use super::onnx::{Constant, Graph, Node};
use super::{Op, Program, Step};
use crate::infer::cpu::Activation;
use crate::infer::cpu::conv::{Pool, Window};
use crate::infer::model::Linear;
use std::collections::HashMap;

/// Why a network cannot be run.
pub type Wrong = String;

/// Turns a graph into a program.
pub fn lower(graph: &Graph) -> Result<Program<Linear>, Wrong> {
    let mut lowering = Lowering::new(graph);
    let [input] = graph.inputs.as_slice() else { return Err("it has not one input".to_owned()) };
    lowering.places.insert(input.clone(), 0);
    while let Some(node) = lowering.node(0) {
        lowering.lower(node)?;
    }
    let [output] = graph.outputs.as_slice() else { return Err("it has not one output".to_owned()) };
    let output = lowering.place(output)?;
    let channels = lowering.channels.ok_or("it has no convolution")?;
    let mut steps = lowering.steps;
    let mut later = vec![output];
    for step in steps.iter_mut().rev() {
        for place in &step.from {
            if !later.contains(place) {
                later.push(*place);
                step.last.push(*place);
            }
        }
    }
    Ok(Program { places: steps.len() + 1, steps, channels, output })
}

/// The state of lowering.
pub struct Lowering<'g> {
    constants: &'g HashMap<String, Constant>,
    /// All but those that only rename.
    nodes: Vec<&'g Node>,
    next: usize,
    renamed: HashMap<&'g str, &'g str>,
    uses: HashMap<&'g str, usize>,
    places: HashMap<String, usize>,
    steps: Vec<Step<Linear>>,
    channels: Option<usize>,
}

impl<'g> Lowering<'g> {
    fn new(graph: &'g Graph) -> Self {
        let (mut renamed, mut nodes) = (HashMap::new(), Vec::new());
        for node in &graph.nodes {
            match node.op.as_str() {
                "Identity" => {
                    let from = node.input(0);
                    renamed.insert(node.output(), *renamed.get(from).unwrap_or(&from));
                }
                _ => nodes.push(node),
            }
        }
        let mut uses = HashMap::new();
        for input in nodes.iter().flat_map(|node| &node.inputs) {
            *uses.entry(*renamed.get(input.as_str()).unwrap_or(&input.as_str())).or_default() += 1;
        }
        let constants = &graph.constants;
        let (places, steps) = (HashMap::new(), Vec::new());
        Self { constants, nodes, next: 0, renamed, uses, places, steps, channels: None }
    }

    /// The node that is `ahead` of the next.
    pub fn node(&self, ahead: usize) -> Option<&'g Node> {
        self.nodes.get(self.next + ahead).copied()
    }

    /// What a name stands for.
    pub fn name<'a>(&self, name: &'a str) -> &'a str
    where
        'g: 'a,
    {
        self.renamed.get(name).copied().unwrap_or(name)
    }

    /// A constant input.
    pub fn constant(&self, name: &str) -> Option<&'g Constant> {
        self.constants.get(self.name(name))
    }

    /// How many inputs a value is.
    pub fn uses(&self, name: &str) -> usize {
        self.uses.get(self.name(name)).copied().unwrap_or(0)
    }

    fn place(&self, name: &str) -> Result<usize, Wrong> {
        self.places.get(self.name(name)).copied().ok_or_else(|| format!("`{name}` is used before it is made"))
    }

    /// Adds a step that makes `output`, the result of the next `nodes` nodes.
    fn push(&mut self, op: Op<Linear>, inputs: &[&str], output: &str, nodes: usize) -> Result<(), Wrong> {
        let from = inputs.iter().map(|input| self.place(input)).collect::<Result<Vec<_>, _>>()?;
        let to = self.steps.len() + 1;
        self.steps.push(Step { op, from, to, last: Vec::new() });
        self.places.insert(self.name(output).to_owned(), to);
        self.next += nodes;
        Ok(())
    }

    fn lower(&mut self, node: &'g Node) -> Result<(), Wrong> {
        let (x, y, output) = (node.input(0), node.input(1), node.output());
        let unknown = || format!("{} (`{output}`) is not known in this form", node.op);
        match node.op.as_str() {
            "Conv" => self.convolution(node).ok_or_else(unknown)?,
            "ConvTranspose" => self.unfold(node).ok_or_else(unknown)?,
            "MatMul" => self.product(node).ok_or_else(unknown)?,
            "MaxPool" | "AveragePool" => {
                let how = if node.op == "MaxPool" { Pool::Most } else { Pool::Mean };
                let window = self.window(node, node.ints("kernel_shape")).ok_or_else(unknown)?;
                self.push(Op::Pool(window, how), &[x], output, 1)
            }
            "GlobalAveragePool" => self.push(Op::Mean, &[x], output, 1),
            "ReduceMean" if node.ints("axes") == [2, 3] => self.push(Op::Mean, &[x], output, 1),
            "ReduceMean" => {
                let (weight, bias, epsilon, end) = self.layer_norm().ok_or_else(unknown)?;
                self.push(Op::LayerNorm(weight, bias, epsilon), &[x], &end, 9)
            }
            "Concat" if node.int("axis", 0) == 1 => {
                let inputs: Vec<&str> = node.inputs.iter().map(String::as_str).collect();
                self.push(Op::Concatenate, &inputs, output, 1)
            }
            "Add" => self.push(Op::Add, &[x, y], output, 1),
            "Mul" => self.push(Op::Scale, &[x, y], output, 1),
            "Relu" => self.push(Op::Activate(Activation::Relu), &[x], output, 1),
            "Sigmoid" => self.push(Op::Sigmoid, &[x], output, 1),
            "HardSigmoid" => {
                let op = Op::HardSigmoid(node.float("alpha", 0.2), node.float("beta", 0.5));
                self.push(op, &[x], output, 1)
            }
            "Resize" => {
                let by = self.enlarging(node).ok_or_else(unknown)?;
                self.push(Op::Enlarge(by), &[x], output, 1)
            }
            _ => match (self.attention(), self.reshaping()) {
                (Some((shape, end)), _) => self.push(Op::Attend(shape), &[x], &end, 16),
                (_, Some((from, end, nodes))) => {
                    let place = self.place(&from)?;
                    self.places.insert(self.name(&end).to_owned(), place);
                    self.next += nodes;
                    Ok(())
                }
                _ => Err(unknown()),
            },
        }
    }

    /// A window of a convolution or pool.
    fn window(&self, node: &Node, size: &[i64]) -> Option<Window> {
        let pair = |ints: &[i64], default: usize| match ints {
            [] => Some((default, default)),
            [a, b] => Some((usize::try_from(*a).ok()?, usize::try_from(*b).ok()?)),
            _ => None,
        };
        let size = pair(size, 0).filter(|size| size.0 > 0 && size.1 > 0 && size.0.max(size.1) <= 64)?;
        let step = pair(node.ints("strides"), 1).filter(|step| step.0 > 0 && step.1 > 0)?;
        let plain = pair(node.ints("dilations"), 1)? == (1, 1) && node.int("ceil_mode", 0) == 0;
        let (before, after) = match (node.text("auto_pad"), node.ints("pads")) {
            // All that is missing for a picture of the same size; the odd one goes after.
            ("SAME_UPPER", _) if step == (1, 1) => {
                let (down, across) = (size.0 - 1, size.1 - 1);
                ((down / 2, across / 2), (down.div_ceil(2), across.div_ceil(2)))
            }
            ("" | "NOTSET", []) => ((0, 0), (0, 0)),
            ("" | "NOTSET", [top, left, bottom, right]) => {
                (pair(&[*top, *left], 0)?, pair(&[*bottom, *right], 0)?)
            }
            _ => return None,
        };
        let small = [before.0, before.1, after.0, after.1].iter().all(|pad| *pad <= 64);
        (plain && small).then_some(Window { size, step, before, after })
    }

    fn convolution(&mut self, node: &Node) -> Option<Result<(), Wrong>> {
        let weight = self.constant(node.input(1))?;
        let [out, inner, height, width] = *weight.dims.as_slice() else { return None };
        let window = self.window(node, &[i64::try_from(height).ok()?, i64::try_from(width).ok()?])?;
        let group = usize::try_from(node.int("group", 1)).ok()?;
        let own = match node.inputs.get(2) {
            Some(name) => self.constant(name)?.values.clone(),
            None => vec![0.0; out],
        };
        let mut layer = self.layer(node.output(), out, own)?;
        let taps = height * width;
        self.channels.get_or_insert(inner * group);
        let at = |o: usize, i: usize, tap: usize| {
            weight.values.get((o * inner + i) * taps + tap).copied().unwrap_or(0.0)
        };
        let scale = |o: usize| layer.scale.get(o).copied().unwrap_or(1.0);
        let op = if group == 1 {
            let order =
                (0..out).flat_map(|o| (0..taps).flat_map(move |t| (0..inner).map(move |i| (o, i, t))));
            let weight = order.map(|(o, i, t)| at(o, i, t) * scale(o)).collect();
            let bias = std::mem::take(&mut layer.bias);
            Op::Convolve(window, Linear { weight, bias, inner: taps * inner }, layer.activation)
        } else if group == out && inner == 1 {
            let order = (0..taps).flat_map(|t| (0..out).map(move |o| (o, t)));
            let values = order.map(|(o, t)| at(o, 0, t) * scale(o)).collect();
            Op::Channels(window, values, std::mem::take(&mut layer.bias), layer.activation)
        } else {
            return None;
        };
        Some(self.push(op, &[node.input(0)], &layer.end, layer.nodes))
    }

    fn unfold(&mut self, node: &Node) -> Option<Result<(), Wrong>> {
        let weight = self.constant(node.input(1))?;
        let [inner, out, height, width] = *weight.dims.as_slice() else { return None };
        let window = self.window(node, &[i64::try_from(height).ok()?, i64::try_from(width).ok()?])?;
        let plain = window.step == window.size && window.before == (0, 0) && window.after == (0, 0);
        (plain && node.int("group", 1) == 1 && node.inputs.len() == 2).then_some(())?;
        let layer = self.layer(node.output(), out, vec![0.0; out])?;
        let taps = height * width;
        let at = |i: usize, o: usize, tap: usize| {
            let scale = layer.scale.get(o).copied().unwrap_or(1.0);
            weight.values.get((i * out + o) * taps + tap).copied().unwrap_or(0.0) * scale
        };
        let order = (0..taps).flat_map(|t| (0..out).flat_map(move |o| (0..inner).map(move |i| (i, o, t))));
        let weight = order.map(|(i, o, t)| at(i, o, t)).collect();
        let bias = (0..taps).flat_map(|_| layer.bias.iter().copied()).collect();
        let op = Op::Unfold(window.size, Linear { weight, bias, inner }, layer.activation);
        Some(self.push(op, &[node.input(0)], &layer.end, layer.nodes))
    }

    /// A product with constant weights; with a softmax behind it, a classifier.
    fn product(&mut self, node: &Node) -> Option<Result<(), Wrong>> {
        let weight = self.constant(node.input(1))?;
        let [inner, out] = *weight.dims.as_slice() else { return None };
        let mut layer = self.layer(node.output(), out, vec![0.0; out])?;
        let order = (0..out).flat_map(|o| (0..inner).map(move |i| (o, i)));
        let at = |o: usize, i: usize| weight.values.get(i * out + o).copied().unwrap_or(0.0);
        let weight = order.map(|(o, i)| at(o, i)).collect();
        let packed = Linear { weight, bias: std::mem::take(&mut layer.bias), inner };
        let after = self.node(layer.nodes);
        let softmax =
            after.filter(|after| after.op == "Softmax" && self.name(after.input(0)) == self.name(&layer.end));
        if let Some(softmax) = softmax {
            // Over the last of [batch, width, classes].
            (softmax.int("axis", 1) == 2 && layer.activation == Activation::None).then_some(())?;
            return Some(self.push(Op::Best(packed), &[node.input(0)], softmax.output(), layer.nodes + 1));
        }
        let pixel = Window { size: (1, 1), step: (1, 1), before: (0, 0), after: (0, 0) };
        let op = Op::Convolve(pixel, packed, layer.activation);
        Some(self.push(op, &[node.input(0)], &layer.end, layer.nodes))
    }
}
