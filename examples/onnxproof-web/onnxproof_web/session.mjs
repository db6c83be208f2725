// Runs an ONNX file in onnxruntime-web: a line of JSON with the inputs in, a line with the outputs out.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.cwd()}/`);
const say = (found) => process.stdout.write(`${JSON.stringify(found)}\n`);
const ARRAYS = {
  bool: Uint8Array, float16: Uint16Array, float32: Float32Array, float64: Float64Array,
  int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
};

function tensor(ort, { type, dims, data }) {
  const bytes = Uint8Array.from(Buffer.from(data, "base64")); // at the start of a buffer of its own
  return new ort.Tensor(type, new ARRAYS[type](bytes.buffer), dims);
}

function packed({ type, dims, data }) {
  return { type, dims, data: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64") };
}

const [what, path, provider] = process.argv.slice(2);
let ort;
try {
  ort = require("onnxruntime-web");
} catch (error) {
  say({ error: error.message });
  process.exit(0);
}
if (what === "version") {
  say({ version: ort.env.versions.web });
  process.exit(0);
}
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "fatal";
try {
  const session = await ort.InferenceSession.create(readFileSync(path), { executionProviders: [provider] });
  say({});
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      const given = Object.entries(JSON.parse(line));
      const outputs = await session.run(Object.fromEntries(given.map(([name, each]) => [name, tensor(ort, each)])));
      say(Object.fromEntries(session.outputNames.map((name) => [name, packed(outputs[name])])));
    } catch (error) {
      say({ error: error.message });
    }
  }
} catch (error) {
  say({ error: error.message });
}
