"""Absolute paths of the machine that a file was exported on."""

import re
from collections.abc import Iterator

from google.protobuf.message import Message
from onnx import ModelProto

_PATH = re.compile(
    r'"((?:/|[A-Za-z]:[\\/])[^"\n]*[\\/][^"\n]*)"'  # in quotes, as tracebacks have them
    r"|(?<![\w./\\:])((?:/|[A-Za-z]:[\\/])(?:[^\s\"'():,;<>/\\]+[\\/])+[^\s\"'():,;<>/\\]+\.[A-Za-z]\w*)"
)


def private_paths(model: ModelProto) -> list[str]:
    """The absolute paths, each once, in the metadata and the doc strings of a model and of all that is in it."""
    return list(dict.fromkeys(path for text in _texts(model) for path in _paths(text)))


def _paths(text: str) -> Iterator[str]:
    return (quoted or plain for quoted, plain in _PATH.findall(text))


def _texts(message: Message) -> Iterator[str]:
    """The doc strings and the values of metadata in a message, however deep; weights are not looked into."""
    for field, value in message.ListFields():
        if field.name == "doc_string":
            yield value
        elif field.name == "metadata_props":
            yield from (entry.value for entry in value)
        elif field.type == field.TYPE_MESSAGE:
            for each in (value,) if isinstance(value, Message) else value:
                yield from _texts(each)
