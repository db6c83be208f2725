"""Prints the JSON Schema of results.json."""

import json

import msgspec

from onnxproof.results.schema import Results

if __name__ == "__main__":
    print(json.dumps(msgspec.json.schema(Results), indent=1))
