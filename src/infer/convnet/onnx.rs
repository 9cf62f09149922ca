//! ONNX files, as far as networks of pictures need them: nodes, constants, metadata.
//!
//! Field numbers are those of onnx.proto (onnx/onnx, IR version 10); what is not named here is skipped.

use std::collections::{BTreeMap, HashMap};

/// A network as its file says it.
#[derive(Debug, Default)]
pub struct Graph {
    /// In an order in which they can be computed.
    pub nodes: Vec<Node>,
    /// By name.
    pub constants: HashMap<String, Constant>,
    /// Names of its inputs.
    pub inputs: Vec<String>,
    /// Names of its outputs.
    pub outputs: Vec<String>,
    /// What its makers wrote beside it.
    pub metadata: BTreeMap<String, String>,
}

/// One operation.
#[derive(Debug, Default)]
pub struct Node {
    /// Its operator.
    pub op: String,
    /// Names of values.
    pub inputs: Vec<String>,
    /// Likewise.
    pub outputs: Vec<String>,
    attributes: HashMap<String, Attribute>,
}

#[derive(Debug, Default)]
struct Attribute {
    float: f32,
    int: i64,
    text: String,
    ints: Vec<i64>,
}

/// A tensor in the file: whole numbers have no `values`, others no `ints`.
#[derive(Debug, Default, Clone)]
pub struct Constant {
    /// Its shape.
    pub dims: Vec<usize>,
    /// Of 32-bit floats.
    pub values: Vec<f32>,
    /// Of 64-bit integers.
    pub ints: Vec<i64>,
}

impl Node {
    /// An integer attribute.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attributes.get(name).map_or(default, |a| a.int)
    }

    /// A floating point attribute.
    pub fn float(&self, name: &str, default: f32) -> f32 {
        self.attributes.get(name).map_or(default, |a| a.float)
    }

    /// An attribute of text; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", |a| a.text.as_str())
    }

    /// An attribute of integers; empty where there is none.
    pub fn ints(&self, name: &str) -> &[i64] {
        self.attributes.get(name).map_or(&[], |a| a.ints.as_slice())
    }

    /// Its only output, or the first.
    pub fn output(&self) -> &str {
        self.outputs.first().map_or("", String::as_str)
    }

    /// An input; empty where there is none.
    pub fn input(&self, index: usize) -> &str {
        self.inputs.get(index).map_or("", String::as_str)
    }
}

/// Reads a file. `None` where it is no ONNX file, or is cut.
pub fn parse(bytes: &[u8]) -> Option<Graph> {
    let mut graph = Graph::default();
    for field in Fields(bytes) {
        match field? {
            (7, Value::Bytes(body)) => read_graph(body, &mut graph)?,
            (14, Value::Bytes(body)) => {
                let (mut key, mut value) = (String::new(), String::new());
                for field in Fields(body) {
                    match field? {
                        (1, Value::Bytes(text)) => key = string(text)?,
                        (2, Value::Bytes(text)) => value = string(text)?,
                        _ => {}
                    }
                }
                graph.metadata.insert(key, value);
            }
            _ => {}
        }
    }
    (!graph.nodes.is_empty()).then_some(graph)
}

fn read_graph(bytes: &[u8], graph: &mut Graph) -> Option<()> {
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(body)) => graph.nodes.push(node(body)?),
            (5, Value::Bytes(body)) => {
                let (name, constant) = constant(body)?;
                graph.constants.insert(name, constant);
            }
            (11, Value::Bytes(body)) => graph.inputs.push(name(body)?),
            (12, Value::Bytes(body)) => graph.outputs.push(name(body)?),
            _ => {}
        }
    }
    Some(())
}

fn name(bytes: &[u8]) -> Option<String> {
    let mut found = String::new();
    for field in Fields(bytes) {
        if let (1, Value::Bytes(text)) = field? {
            found = string(text)?;
        }
    }
    Some(found)
}

fn node(bytes: &[u8]) -> Option<Node> {
    let mut node = Node::default();
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(text)) => node.inputs.push(string(text)?),
            (2, Value::Bytes(text)) => node.outputs.push(string(text)?),
            (4, Value::Bytes(text)) => node.op = string(text)?,
            (5, Value::Bytes(body)) => {
                let (name, attribute) = attribute(body)?;
                node.attributes.insert(name, attribute);
            }
            _ => {}
        }
    }
    Some(node)
}

fn attribute(bytes: &[u8]) -> Option<(String, Attribute)> {
    let (mut name, mut found) = (String::new(), Attribute::default());
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(text)) => name = string(text)?,
            (2, Value::Fixed32(bits)) => found.float = f32::from_bits(bits),
            (3, Value::Varint(int)) => found.int = int.cast_signed(),
            (4, Value::Bytes(text)) => found.text = string(text)?,
            (8, value) => integers(value, &mut found.ints)?,
            _ => {}
        }
    }
    Some((name, found))
}

fn constant(bytes: &[u8]) -> Option<(String, Constant)> {
    let (mut name, mut kind, mut dims, mut raw) = (String::new(), 0, Vec::new(), &[][..]);
    let mut found = Constant::default();
    for field in Fields(bytes) {
        match field? {
            (1, value) => integers(value, &mut dims)?,
            (2, Value::Varint(int)) => kind = int,
            (4, Value::Bytes(body)) => found.values.extend(floats(body)?),
            (4, Value::Fixed32(bits)) => found.values.push(f32::from_bits(bits)),
            (7, value) => integers(value, &mut found.ints)?,
            (8, Value::Bytes(text)) => name = string(text)?,
            (9, Value::Bytes(body)) => raw = body,
            _ => {}
        }
    }
    match kind {
        1 => found.values.extend(floats(raw)?),
        7 => {
            let (whole, rest) = raw.as_chunks::<8>();
            found.ints.extend(whole.iter().map(|bytes| i64::from_le_bytes(*bytes)));
            rest.is_empty().then_some(())?;
        }
        _ => return None,
    }
    let dims = dims.into_iter().map(|dim| usize::try_from(dim).ok()).collect::<Option<Vec<_>>>()?;
    let count = dims.iter().try_fold(1usize, |product, dim| product.checked_mul(*dim))?;
    found.dims = dims;
    (found.values.len() + found.ints.len() == count).then_some((name, found))
}

fn floats(bytes: &[u8]) -> Option<impl Iterator<Item = f32>> {
    let (whole, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| whole.iter().map(|bytes| f32::from_le_bytes(*bytes)))
}

fn string(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// Repeated integers come one by one or packed.
fn integers(value: Value, to: &mut Vec<i64>) -> Option<()> {
    match value {
        Value::Varint(int) => to.push(int.cast_signed()),
        Value::Bytes(mut body) => {
            while !body.is_empty() {
                to.push(varint(&mut body)?.cast_signed());
            }
        }
        Value::Fixed32(_) => return None,
    }
    Some(())
}

enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// Fields of a message (Protocol Buffers' wire format); ends after the first that makes no sense.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = varint(&mut self.0)?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut self.0)?),
            // 64-bit values stand in no field that is read.
            1 => self.take(8).map(|_| Value::Varint(0))?,
            2 => {
                let length = usize::try_from(varint(&mut self.0)?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some((key >> 3, value))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
