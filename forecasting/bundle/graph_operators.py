"""Operators that a graph may use, by how the size of their result is determined.

All of them end, and no result is larger for other values of the same shape. Therefore a graph that
has run on one batch needs about the same time and memory for every batch of this size.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})

# The sizes of the result depend only on attributes and on the sizes of the inputs.
FIXED_SIZE = frozenset(
    """
    Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Clip Concat Constant Conv Cos
    CumSum Div Einsum Elu Equal Erf Exp Flatten Floor Gather GatherElements GatherND Gelu Gemm
    GlobalAveragePool Greater GreaterOrEqual GRU HardSigmoid Identity IsInf IsNaN LayerNormalization
    LeakyRelu Less LessOrEqual LinearRegressor Log LogSoftmax LSTM MatMul Max MaxPool Mean Min Mod
    Mul Neg Not Or Pow Reciprocal ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin
    ReduceProd ReduceSum ReduceSumSquare Relu RNN Round Scaler Selu Shape Sigmoid Sign Sin Size
    Softmax Softplus Softsign Sqrt Squeeze Sub Sum Tan Tanh Transpose TreeEnsembleRegressor
    Unsqueeze Where Xor
    """.split()  # noqa: SIM905  # a list of strings would take a page
)
# The sizes of the result depend on the values of the inputs from this position on.
SIZED_BY_VALUES = {
    **dict.fromkeys(("ConstantOfShape", "Range"), 0),
    **dict.fromkeys(("Expand", "OneHot", "Pad", "Reshape", "Slice", "Split", "Tile", "TopK"), 1),
}
_SIZES_ONLY = frozenset({"Shape", "Size"})


@dataclass(frozen=True)
class Node:
    """An operator with the names of its inputs and outputs."""

    op_type: str
    domain: str
    inputs: list[str]
    outputs: list[str]


def find_forbidden(nodes: Iterable[Node], constants: Collection[str]) -> set[str]:
    """Return a description of each operator that a graph must not use.

    Parameters
    ----------
    nodes
        Operators, each after the operators that compute its inputs.
    constants
        Names of the constant tensors.
    """
    forbidden: set[str] = set()
    known = {"", *constants}  # tensors with values that do not depend on the windows
    for node in nodes:
        if node.domain not in DOMAINS:
            forbidden.add(f"operators of {node.domain}")
        elif node.op_type in SIZED_BY_VALUES:
            if not known.issuperset(node.inputs[SIZED_BY_VALUES[node.op_type] :]):
                forbidden.add(f"{node.op_type} with a size from the values of the windows")
        elif node.op_type not in FIXED_SIZE:
            forbidden.add(node.op_type or "an operator without a type")
        if node.op_type in _SIZES_ONLY or known.issuperset(node.inputs):
            known.update(node.outputs)
    return forbidden
