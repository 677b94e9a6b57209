"""Joining ONNX graphs, and giving the result bytes that depend on the models alone.

Exporters name tensors after counters, temporary folders and hash orders that differ from process to
process. `GraphBuilder.build` orders nodes by how the outputs need them and renames everything by
that order, so equal models give equal bytes. What is joined, and why, is `forecasting.export.fusion`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from forecasting.bundle.graph_safety import check_self_contained

Shape = tuple[int | None, ...]

# What skl2onnx and Keras can both write; ONNX Runtime reads it at full speed.
OPSETS = {"": 15, "ai.onnx.ml": 3}
IR_VERSION = 8


class GraphBuilder:
    """Collects nodes and constants, and builds the model that leads from an input to outputs."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._grafts = 0

    def constant(self, values: ArrayLike) -> str:
        """Add a constant, integers as int64 and all else as float32, and return its name."""
        from onnx import numpy_helper  # noqa: PLC0415  training needs it, serving does not have it

        array = np.asarray(values)
        kind = np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32
        name = f"constant_{len(self._constants)}"
        self._constants[name] = numpy_helper.from_array(array.astype(kind), name)
        return name

    def add(self, op_type: str, *inputs: str, output: str = "", **attributes: object) -> str:
        """Add a node with one output, and return that output's name."""
        return self.add_many(op_type, *inputs, outputs=(output,), **attributes)[0]

    def add_many(
        self, op_type: str, *inputs: str, outputs: Iterable[str], **attributes: object
    ) -> list[str]:
        """Add a node and return its outputs' names; an empty name is replaced by a new one."""
        from onnx import helper  # noqa: PLC0415  as above

        names = [name or f"node_{len(self._nodes)}_{i}" for i, name in enumerate(outputs)]
        self._nodes.append(helper.make_node(op_type, list(inputs), names, **attributes))
        return names

    def graft(self, content: bytes, source: str, *, output: str = "") -> str:
        """Add a serialised model with one input, fed from `source`, and return its output's name.

        Raises
        ------
        BundleError
            When it has functions, loops, or operators that are not ONNX's own.
        """
        import onnx  # noqa: PLC0415  as above
        from onnx import compose  # noqa: PLC0415

        check_self_contained(content)
        prefix = f"graft_{self._grafts}_"
        self._grafts += 1
        graph = compose.add_prefix(onnx.load_from_string(content), prefix=prefix).graph
        (given,), (result,) = graph.input, graph.output
        output = output or str(result.name)
        names = {given.name: source, result.name: output}
        for node in graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
        self._nodes.extend(graph.node)
        self._constants |= {tensor.name: tensor for tensor in graph.initializer}
        return output

    def build(
        self, given: Mapping[str, Shape], results: Mapping[str, Shape], metadata: Mapping[str, str]
    ) -> bytes:
        """Return the serialised model from `given` to `results`: names with their shapes, float32.

        A size of None is dynamic. The same nodes give the same bytes, whatever their names were.
        """
        import onnx  # noqa: PLC0415  as above
        from onnx import helper  # noqa: PLC0415

        nodes = self._ordered(results)
        constants = self._rename(nodes, {*given, *results})
        graph = helper.make_graph(
            nodes, "stockcast", _described(given), _described(results), constants
        )
        imports = [helper.make_opsetid(*item) for item in OPSETS.items()]
        model = helper.make_model(
            graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="stockcast"
        )
        helper.set_model_props(model, dict(sorted(metadata.items())))
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))

    def _ordered(self, results: Iterable[str]) -> list[Any]:
        """Return the nodes that the outputs need, each after what feeds it."""
        producers = {name: node for node in self._nodes for name in node.output}
        ordered: list[Any] = []
        visited: set[int] = set()

        def visit(name: str) -> None:
            node = producers.get(name)
            if node is None or id(node) in visited:
                return
            visited.add(id(node))
            for source in node.input:
                visit(source)
            ordered.append(node)

        for name in results:
            visit(name)
        return ordered

    def _rename(self, nodes: list[Any], kept: set[str]) -> list[Any]:
        """Rename all but the names `kept`, and return the constants still needed."""
        from onnx import numpy_helper  # noqa: PLC0415  as above

        names = {name: name for name in (*kept, "")}
        constants: dict[tuple[str, tuple[int, ...], bytes], Any] = {}
        for position, node in enumerate(nodes):
            for name in node.input:
                if name not in names:
                    array = numpy_helper.to_array(self._constants[name])
                    content = (array.dtype.str, array.shape, array.tobytes())
                    tensor = numpy_helper.from_array(array, f"c{len(constants)}")
                    names[name] = constants.setdefault(content, tensor).name
            for slot, name in enumerate(node.output):
                names.setdefault(name, f"t{position}_{slot}")
            node.input[:] = [names[name] for name in node.input]
            node.output[:] = [names[name] for name in node.output]
            attributes = sorted(node.attribute, key=lambda attribute: str(attribute.name))
            del node.attribute[:]
            node.attribute.extend(attributes)
            node.name = f"{node.op_type}_{position}"
            node.doc_string = ""
        return list(constants.values())


def _described(shapes: Mapping[str, Shape]) -> list[Any]:
    from onnx import TensorProto, helper  # noqa: PLC0415  as above

    return [
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT, ["n" if size is None else size for size in shape]
        )
        for name, shape in shapes.items()
    ]
