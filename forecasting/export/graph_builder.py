"""Builder that joins ONNX graphs and serialises the result reproducibly.

Exporters derive the names of tensors from counters, temporary folders and hash orders, which differ
between processes. `GraphBuilder.build` orders nodes by the order in which the outputs need them and
renames them accordingly, so equal models give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from forecasting.bundle.graph_safety import check_self_contained

Shape = tuple[int | None, ...]

# Versions that both skl2onnx and Keras can write.
OPSETS = {"": 15, "ai.onnx.ml": 3}
IR_VERSION = 8


class GraphBuilder:
    """Collects nodes and constants, and builds a model from them."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._grafts = 0

    def constant(self, values: ArrayLike) -> str:
        """Add a constant, integers as int64 and others as float32, and return its name."""
        from onnx import numpy_helper  # noqa: PLC0415  serving does not install it

        array = np.asarray(values)
        kind = np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32
        name = f"constant_{len(self._constants)}"
        self._constants[name] = numpy_helper.from_array(array.astype(kind), name)
        return name

    def add(self, op_type: str, *inputs: str, output: str = "", **attributes: object) -> str:
        """Add a node with one output, and return the name of the output."""
        return self.add_many(op_type, *inputs, outputs=(output,), **attributes)[0]

    def add_many(
        self, op_type: str, *inputs: str, outputs: Iterable[str], **attributes: object
    ) -> list[str]:
        """Add a node and return the names of its outputs. An empty name becomes a new name."""
        from onnx import helper  # noqa: PLC0415  as above

        names = [name or f"node_{len(self._nodes)}_{i}" for i, name in enumerate(outputs)]
        self._nodes.append(helper.make_node(op_type, list(inputs), names, **attributes))
        return names

    def graft(self, content: bytes, source: str, *, output: str = "") -> str:
        """Add a serialised model with the input `source`, and return the name of its output.

        Raises
        ------
        BundleError
            When the model uses functions, control flow or non-standard operators.
        """
        import onnx  # noqa: PLC0415  as above
        from onnx import compose  # noqa: PLC0415

        check_self_contained(content)
        prefix = f"graft_{self._grafts}_"
        self._grafts += 1
        graph = compose.add_prefix(onnx.load_from_string(content), prefix=prefix).graph
        (model_input,), (model_output,) = graph.input, graph.output
        output = output or str(model_output.name)
        names = {model_input.name: source, model_output.name: output}
        for node in graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
        self._nodes.extend(graph.node)
        self._constants |= {tensor.name: tensor for tensor in graph.initializer}
        return output

    def build(
        self, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape], metadata: Mapping[str, str]
    ) -> bytes:
        """Return the serialised model from `inputs` to `outputs`.

        Parameters
        ----------
        inputs, outputs
            Name -> shape of each float32 tensor. A size of None is dynamic.
        metadata
            Properties to store in the model.

        Returns
        -------
        bytes
            The same nodes give the same bytes, independent of the names of inner tensors.
        """
        import onnx  # noqa: PLC0415  as above
        from onnx import helper  # noqa: PLC0415

        nodes = self._ordered(outputs)
        constants = self._rename(nodes, {*inputs, *outputs})
        graph = helper.make_graph(
            nodes, "stockcast", _value_infos(inputs), _value_infos(outputs), constants
        )
        imports = [helper.make_opsetid(*item) for item in OPSETS.items()]
        model = helper.make_model(
            graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="stockcast"
        )
        helper.set_model_props(model, dict(sorted(metadata.items())))
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))

    def _ordered(self, outputs: Iterable[str]) -> list[Any]:
        """Return the nodes that `outputs` need, each after the nodes of its inputs."""
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

        for name in outputs:
            visit(name)
        return ordered

    def _rename(self, nodes: list[Any], fixed: set[str]) -> list[Any]:
        """Rename all tensors except `fixed`, and return the constants that `nodes` need."""
        from onnx import numpy_helper  # noqa: PLC0415  as above

        names = {name: name for name in (*fixed, "")}
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


def _value_infos(shapes: Mapping[str, Shape]) -> list[Any]:
    from onnx import TensorProto, helper  # noqa: PLC0415  as above

    return [
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT, ["n" if size is None else size for size in shape]
        )
        for name, shape in shapes.items()
    ]
