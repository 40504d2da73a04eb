#!/usr/bin/env python3
"""A contender of bench/peers that is not ours, or an 8-bit ONNX file for such.

usage: peer.py onnxruntime|openvino fp32|bf16|int8 MODEL.onnx THREADS
       peer.py quantize MODEL.onnx OUT.onnx
       peer.py have onnxruntime|openvino

As bench-engine does: says "ready VERSION", then for every line with a number n does n runs and
says a line of n times in milliseconds.
"""

import sys
import time

WARM_UP = 2
CALIBRATION_PICTURES = 4


def noise(seed, shape):
    """Pixels of noise as the network wants them."""
    import numpy

    return (numpy.random.RandomState(seed).randint(0, 256, shape) / 256 - 0.5).astype("float32")


# ---- ONNX Runtime -----------------------------------------------------------------------------


def onnxruntime_runner(path, precision, threads):
    """Its own thread pool of that size, all graph optimisations, outputs and input bound once."""
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    values = noise(1, entry.shape)
    if "uint8" in entry.type:
        values = ((values + 0.5) * 255).astype(numpy.uint8)
    feed = {entry.name: values}
    return onnxruntime.__version__, lambda: session.run(None, feed)


# ---- OpenVINO ---------------------------------------------------------------------------------


def openvino_runner(path, precision, threads):
    import openvino

    core = openvino.Core()
    config = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
    }
    compiled = core.compile_model(core.read_model(path), "CPU", config)
    request = compiled.create_infer_request()
    entry = compiled.inputs[0]
    tensor = openvino.Tensor(entry.element_type, entry.shape)
    values = noise(1, list(entry.shape))
    if entry.element_type == openvino.Type.u8:
        values = ((values + 0.5) * 255).astype("uint8")
    tensor.data[:] = values
    request.set_input_tensor(tensor)
    return openvino.__version__.split("-")[0], request.infer


# ---- quantisation -----------------------------------------------------------------------------


def bytes_in(path):
    """The graph's input becomes the bytes that its first node makes of it: the peer's best case."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    entry = graph.input[0]
    first = [n for n in graph.node if entry.name in n.input]
    if len(first) == 1 and first[0].op_type == "QuantizeLinear":
        made = first[0].output[0]
        graph.node.remove(first[0])
        for node in graph.node:
            for k, name in enumerate(node.input):
                if name == made:
                    node.input[k] = entry.name
        entry.type.tensor_type.elem_type = onnx.TensorProto.UINT8
        onnx.save(model, path)


def quantize(path, out):
    """QDQ with u8 activations and s8 weights by channel; ranges from pictures of noise."""
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    entry = onnx.load(path).graph.input[0]
    shape = [d.dim_value for d in entry.type.tensor_type.shape.dim]

    class Noise(quantization.CalibrationDataReader):
        def __init__(self):
            self.items = iter({entry.name: noise(s, shape)} for s in range(CALIBRATION_PICTURES))

        def get_next(self):
            return next(self.items, None)

    quant_pre_process(path, out, skip_symbolic_shape=True)
    quantization.quantize_static(
        out,
        out,
        Noise(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    bytes_in(out)


# ---- turns ------------------------------------------------------------------------------------


def take_turns(run):
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter_ns()
            run()
            times.append((time.perf_counter_ns() - start) / 1e6)
        print(" ".join(f"{t:.4f}" for t in times), flush=True)


RUNNERS = {"onnxruntime": onnxruntime_runner, "openvino": openvino_runner}


def main(args):
    if len(args) == 3 and args[0] == "quantize":
        quantize(args[1], args[2])
    elif len(args) == 2 and args[0] == "have":
        __import__(args[1])
    elif len(args) == 4 and args[0] in RUNNERS:
        version, run = RUNNERS[args[0]](args[2], args[1], int(args[3]))
        for _ in range(WARM_UP):
            run()
        print(f"ready {version}", flush=True)
        take_turns(run)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
