// Asks `complete_cart` of a served shop over gRPC and prints the offered items.
//   npm install && node recommend.js localhost:8500 85123A,71053
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import { fileURLToPath } from "node:url";

const DEADLINE = 1000; // milliseconds
const PROTO = fileURLToPath(new URL("../protos/predict.proto", import.meta.url));
const { serving } = grpc.loadPackageDefinition(loader.loadSync(PROTO, { keepCase: true, enums: String })).tensorflow;

/** Returns one query's list `[1, 1 + n]`: the padding value, then the values. */
const list = (values) => ({
  dtype: "DT_STRING",
  tensor_shape: { dim: [{ size: 1 }, { size: values.length + 1 }] },
  string_val: ["", ...values].map((value) => Buffer.from(value)),
});

/** Returns one query's number `[1]`. */
const number = (value) => ({ dtype: "DT_INT32", tensor_shape: { dim: [{ size: 1 }] }, int_val: [value] });

/** Returns the texts of an output. */
const texts = (tensor) => tensor.string_val.map((value) => value.toString());

/** Returns the floats of an output: bytes, little-endian, or a list in which the last stands for all behind it. */
function floats(tensor, num) {
  const bytes = tensor.tensor_content;
  if (bytes?.length) return Array.from({ length: num }, (_, place) => bytes.readFloatLE(4 * place));
  const values = tensor.float_val;
  return Array.from({ length: num }, (_, place) => values[Math.min(place, values.length - 1)] ?? 0);
}

/** Returns the offered items of a cart, best first. */
function completeCart(client, cart) {
  const request = {
    model_spec: { name: "shop", signature_name: "complete_cart" },
    inputs: { cart_item_ids: list(cart), k: number(5) },
  };
  return new Promise((resolve, reject) => {
    client.Predict(request, { deadline: Date.now() + DEADLINE }, (error, response) => {
      if (error) return reject(error);
      const { item_ids, scores, prices, reasons, reason_item_ids } = response.outputs;
      const ids = texts(item_ids);
      const [score, price] = [floats(scores, ids.length), floats(prices, ids.length)];
      const [reason, of] = [texts(reasons), texts(reason_item_ids)];
      const rows = ids.map((id, at) => ({ id, score: score[at], price: price[at], reason: reason[at], of: of[at] }));
      resolve(rows.filter(({ id }) => id !== "")); // empty behind the end of a short row
    });
  });
}

// One client for the life of the program: it connects, reconnects, and all requests share it.
const [target = "localhost:8500", cart = ""] = process.argv.slice(2);
const client = new serving.PredictionService(target, grpc.credentials.createInsecure());
try {
  for (const { id, score, price, reason, of } of await completeCart(client, cart.split(",").filter(Boolean)))
    console.log([id, score.toFixed(4), price.toFixed(2), reason, of].join("\t"));
} catch (error) {
  // UNAVAILABLE, DEADLINE_EXCEEDED, NOT_FOUND, RESOURCE_EXHAUSTED: show the shop's own list, ask again for the next page.
  // INVALID_ARGUMENT: the request is wrong; the text names the input.
  console.error(`no offers (${grpc.status[error.code] ?? error.name}): ${error.details ?? error.message}`);
  process.exitCode = 1;
} finally {
  client.close();
}
