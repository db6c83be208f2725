"""An ONNX file, read: its message, its facts, and what two of them differ in."""

from onnxproof.graph.diff import Difference, graph_differences
from onnxproof.graph.facts import Graph, Node, Value, read_graph
from onnxproof.graph.load import GraphError, load_model

__all__ = ["Difference", "Graph", "GraphError", "Node", "Value", "graph_differences", "load_model", "read_graph"]
