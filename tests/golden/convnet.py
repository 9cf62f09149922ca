"""Small ONNX networks with what ONNX Runtime makes of them, for src/infer/convnet.

    pip install onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
    python tests/golden/convnet.py            # writes tests/golden/convnet/

The nodes are those, in the forms and in the order, that PP-OCRv6's files have.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OUT = Path(__file__).parent / "convnet"
random = np.random.default_rng(7)


class Network:
    def __init__(self):
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, values):
        values = np.asarray(values)
        values = values.astype(np.int64 if values.dtype.kind == "i" else np.float32)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def weight(self, *shape):
        return self.constant(random.normal(0, 1 / np.sqrt(np.prod(shape[1:]) or 1), shape))

    def add(self, op, *inputs, **attributes):
        self.count += 1
        output = f"v{self.count}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        # The files rename nearly every value.
        if self.count % 3 == 0:
            self.nodes.append(helper.make_node("Identity", [output], [output + "i"]))
            output += "i"
        return output

    def bias(self, x, channels):
        return self.add("Add", x, self.constant(random.normal(0, 0.3, (1, channels, 1, 1))))

    def conv(self, x, out, inner, size, **attributes):
        same = dict(dilations=[1, 1], kernel_shape=list(size), strides=[1, 1], group=1)
        if "auto_pad" not in attributes:
            same["pads"] = [0, 0, 0, 0]
        return self.add("Conv", x, self.weight(out, inner, *size), **{**same, **attributes})

    def gelu(self, x):
        div = self.add("Div", x, self.constant(np.float32(1.4142135)))
        erf = self.add("Erf", div)
        one = self.add("Add", erf, self.constant(np.float32(1)))
        return self.add("Mul", self.add("Mul", x, one), self.constant(np.float32(0.5)))

    def swish(self, x):
        return self.add("Mul", x, self.add("Sigmoid", x))

    def norm(self, x, channels):
        values = [random.normal(0, 1, channels), random.normal(0, 1, channels),
                  random.normal(0, 1, channels), random.uniform(0.5, 2, channels)]
        return self.add("BatchNormalization", x, *[self.constant(v) for v in values], epsilon=1e-5)

    def layer_norm(self, x, channels):
        sub = self.add("Sub", x, self.add("ReduceMean", x, axes=[-1]))
        square = self.add("Pow", sub, self.constant(np.float32(2)))
        mean = self.add("ReduceMean", square, axes=[-1])
        root = self.add("Sqrt", self.add("Add", mean, self.constant(np.float32(1e-5))))
        scaled = self.add("Mul", self.add("Div", sub, root), self.constant(random.normal(1, 0.2, channels)))
        return self.add("Add", scaled, self.constant(random.normal(0, 0.2, channels)))

    def linear(self, x, inner, out):
        product = self.add("MatMul", x, self.weight(inner, out))
        return self.add("Add", product, self.constant(random.normal(0, 0.2, out)))

    def part(self, x, index):
        ints = [self.constant(np.array([v])) for v in (index, index + 1, 0, 1)]
        return self.add("Squeeze", self.add("Slice", x, *ints), axes=[0])

    def attention(self, x, heads, width):
        shape = self.constant(np.array([0, -1, 3, heads, width]))
        qkv = self.add("Transpose", self.add("Reshape", x, shape), perm=[2, 0, 3, 1, 4])
        q = self.add("Mul", self.part(qkv, 0), self.constant(np.array([width**-0.5], np.float32)))
        q = self.add("Add", q, self.constant(np.float32(0)))
        k, v = self.part(qkv, 1), self.part(qkv, 2)
        scores = self.add("MatMul", q, self.add("Transpose", k, perm=[0, 1, 3, 2]))
        out = self.add("MatMul", self.add("Softmax", scores, axis=3), v)
        out = self.add("Transpose", out, perm=[0, 2, 1, 3])
        return self.add("Reshape", out, self.constant(np.array([0, -1, heads * width])))


def write(name, build, shape, rank=4):
    """Builds a network, runs it, and writes file, input and output (NCHW)."""
    net = Network()
    output = build(net)
    graph = helper.make_graph(
        net.nodes, name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", shape[0], "h", "w"])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["a", "b", "c", "d"][:rank])],
        net.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=10)
    onnx.checker.check_model(model)
    path = OUT / f"{name}.onnx"
    onnx.save(model, path)
    x = random.normal(0, 1, (1, *shape)).round(6).astype(np.float32)
    [y] = onnxruntime.InferenceSession(path).run(None, {"x": x})
    case = {"input_shape": list(x.shape), "input": x.ravel().tolist(),
            "output_shape": list(y.shape), "output": y.ravel().tolist()}
    text = json.dumps(case, separators=(",", ":"))
    path.with_suffix(".json").write_text(json.dumps(json.loads(text, parse_float=lambda f: round(float(f), 6)),
                                                    separators=(",", ":")))


def stem(net):
    x = net.add("Relu", net.bias(net.conv("x", 5, 3, (3, 3), pads=[1, 1, 1, 1], strides=[2, 2]), 5))
    y = net.add("Relu", net.bias(net.conv(x, 4, 5, (2, 2), auto_pad="SAME_UPPER"), 4))
    pool = net.add("MaxPool", x, kernel_shape=[2, 2], strides=[1, 1], auto_pad="SAME_UPPER", ceil_mode=0)
    return net.conv(net.add("Concat", pool, y, axis=1), 3, 9, (3, 3), pads=[1, 1, 1, 1])


def block(net):
    x = net.bias(net.conv("x", 50, 1, (3, 3), pads=[1, 1, 1, 1], strides=[2, 1], group=50), 50)
    gate = net.add("ReduceMean", x, axes=[2, 3], keepdims=1)
    gate = net.add("Relu", net.bias(net.conv(gate, 4, 50, (1, 1)), 4))
    gate = net.add("HardSigmoid", net.bias(net.conv(gate, 50, 4, (1, 1)), 50), alpha=0.2, beta=0.5)
    x = net.add("Mul", x, gate)
    y = net.gelu(net.bias(net.conv(x, 20, 50, (1, 1)), 20))
    return net.add("Add", x, net.bias(net.conv(y, 50, 20, (1, 1)), 50))


def head(net):
    y = net.conv("x", 6, 6, (1, 1))
    pooled = net.add("GlobalAveragePool", y)
    y = net.add("Add", y, net.add("Mul", y, net.add("HardSigmoid", pooled, alpha=0.2, beta=0.5)))
    wide = net.bias(net.conv(y, 6, 1, (7, 7), pads=[3, 3, 3, 3], group=6), 6)
    scales = net.constant(np.array([1, 1, 2, 2], np.float32))
    up = net.add("Resize", wide, net.constant(np.array([], np.float32)), scales, mode="nearest",
                 coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    size = dict(dilations=[1, 1], kernel_shape=[2, 2], strides=[2, 2], group=1, pads=[0, 0, 0, 0])
    up = net.add("Relu", net.bias(net.add("ConvTranspose", up, net.weight(6, 4, 2, 2), **size), 4))
    up = net.bias(net.add("ConvTranspose", up, net.weight(4, 1, 2, 2), **size), 1)
    return net.add("Sigmoid", up)


def reader(net):
    """A sequence encoder and a classifier, whose softmax is over 40 classes."""
    x = net.add("AveragePool", "x", kernel_shape=[3, 2], strides=[3, 2], pads=[0, 0, 0, 0], ceil_mode=0,
                count_include_pad=0)
    side = net.swish(net.norm(net.conv(x, 12, 8, (1, 1)), 12))
    y = net.swish(net.norm(net.conv(x, 12, 8, (1, 1)), 12))
    z = net.conv(y, 12, 1, (1, 7), pads=[0, 3, 0, 3], group=12)
    y = net.add("Add", y, net.swish(net.norm(z, 12)))
    slices = lambda shape, a, b: net.add(
        "Slice", shape, *[net.constant(np.array([v])) for v in (a, b, 0)])
    width = net.add("Squeeze", slices(net.add("Shape", y), 3, 4), axes=[0])
    keep = net.add("Concat", slices(net.add("Shape", y), 0, 2), net.constant(np.array([-1])), axis=0)
    y = net.add("Transpose", net.add("Reshape", y, keep), perm=[0, 2, 1])
    qkv = net.linear(net.layer_norm(y, 12), 12, 36)
    y = net.add("Add", y, net.linear(net.attention(qkv, 3, 4), 12, 12))
    y = net.add("Add", y, net.linear(net.swish(net.linear(net.layer_norm(y, 12), 12, 24)), 24, 12))
    y = net.layer_norm(y, 12)
    width = net.add("Reshape", width, net.constant(np.array([], np.int64)))
    ends = [net.constant(np.array([v])) for v in (0, 1, 12)]
    shape = net.add("Concat", *ends[:2], net.add("Unsqueeze", width, axes=[0]), ends[2], axis=0)
    y = net.add("Transpose", net.add("Reshape", y, shape), perm=[0, 3, 1, 2])
    y = net.add("Transpose", net.add("Squeeze", net.add("Add", y, side), axes=[2]), perm=[0, 2, 1])
    return net.add("Softmax", net.linear(y, 12, 40), axis=2)


OUT.mkdir(exist_ok=True)
write("stem", stem, (3, 13, 18))
write("block", block, (50, 9, 7))
write("head", head, (6, 6, 5))
write("reader", reader, (8, 3, 16), rank=3)
