//! What is above the layers, written as f32 to the results: vectors of windows and spans, labels.

use super::calls::{ROW, States};
use super::device::{Address, Argument};
use super::encoder::Pass;
use super::weights::Dense;
use crate::error::Result;
use crate::infer::model::{Activation, Pooling, Problem};

impl Pass<'_> {
    /// L2-normalised vectors of the windows and of their spans.
    pub fn vectors(&mut self, states: Address) -> Result<()> {
        let weights = self.weights;
        let Some((pooling, dense)) = &weights.pooling else { return Ok(()) };
        let hidden = weights.encoder.stack.hidden;
        let (windows, spans) = (self.inputs.windows, self.inputs.spans);
        let number = weights.format.bytes();
        let [mut from, mut to] = self.plan.pooled;
        self.pool(states, *pooling, (0, windows), hidden, from)?;
        // The first token stands for a whole window only.
        let spans_from = from + (windows * hidden * number) as Address;
        self.pool(states, Pooling::Mean, (windows, spans), hidden, spans_from)?;
        let mut width = hidden;
        for dense in dense {
            self.dense(dense, from, to, windows + spans)?;
            (from, to, width) = (to, from, dense.matrix.out);
        }
        let rows = windows + spans;
        let results = Argument::Address(self.plan.results);
        self.calls.warps("unit", rows, &[Argument::Address(from), results, width.into(), rows.into()])
    }

    /// A branch's labels for each token or window.
    pub fn labels(&mut self, index: usize, states: Address) -> Result<()> {
        let weights = self.weights;
        let (Some(branch), Some(offset)) = (weights.branches.get(index), self.plan.parts.get(index)) else {
            return Ok(());
        };
        let [mut from, mut to] = self.plan.pooled;
        let rows = match branch.pooling {
            Some(pooling) => {
                self.pool(states, pooling, (0, self.inputs.windows), branch.stack.hidden, from)?;
                self.inputs.windows
            }
            None => {
                (from, to) = (states, from);
                self.inputs.tokens
            }
        };
        if let Some(dense) = &branch.dense {
            self.dense(dense, from, to, rows)?;
            from = to;
        }
        self.calls.linear(&branch.classifier, from, self.plan.logits, rows, Activation::None)?;
        let arguments = [
            Argument::Address(self.plan.logits),
            Argument::Address(self.plan.results + *offset as Address),
            branch.classifier.out.into(),
            Argument::Int(match branch.problem {
                Problem::SingleLabel => 0,
                Problem::MultiLabel => 1,
                Problem::Regression => 2,
            }),
            rows.into(),
        ];
        self.calls.warps("labels", rows, &arguments)
    }

    /// Rows for `count` of the ranges, from `first` on.
    fn pool(
        &mut self,
        states: Address,
        pooling: Pooling,
        (first, count): (usize, usize),
        hidden: usize,
        out: Address,
    ) -> Result<()> {
        let ranges = self.plan.inputs.ranges + (first * 8) as Address;
        let arguments = [
            Argument::Address(states),
            Argument::Address(ranges),
            Argument::Int((pooling == Pooling::First).into()),
            Argument::Address(out),
            hidden.into(),
        ];
        self.calls.launch("pool", (count, hidden.div_ceil(ROW as usize)), ROW, &arguments)
    }

    fn dense(&mut self, dense: &Dense, from: Address, to: Address, rows: usize) -> Result<()> {
        self.calls.linear(&dense.matrix, from, to, rows, dense.activation)?;
        if dense.norm.is_none() {
            return Ok(());
        }
        let states = States { at: to, full: false };
        self.calls.add_norm(states, 0, dense.norm.as_ref(), to, (rows, dense.matrix.out))
    }
}
