// Writes src/api/schema.ts from the service's OpenAPI document, which the service's own tests keep
// true. `--check` writes nothing and fails when the file is not what it should be.

import { readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";

const DOCUMENT = new URL("../../tests/golden/openapi.json", import.meta.url);
const SCHEMA = new URL("../src/api/schema.ts", import.meta.url);

const HEAD = `// Made by \`npm run types\` from tests/golden/openapi.json. Do not edit.

import type { Decimal } from "../lib/decimal";

`;

const DECIMAL = ts.factory.createTypeReferenceNode("Decimal");
const NULL = ts.factory.createLiteralTypeNode(ts.factory.createNull());

/** Decimals are kept as text (api/exact.ts), so their type is ours. */
function transform({ format, nullable }) {
  if (format !== "decimal") return undefined;
  return nullable ? ts.factory.createUnionTypeNode([DECIMAL, NULL]) : DECIMAL;
}

const document = JSON.parse(readFileSync(DOCUMENT, "utf8"));
// Every operation may answer with every problem, and the client treats them all alike.
for (const path of Object.values(document.paths)) {
  for (const { responses } of Object.values(path)) {
    for (const status of Object.keys(responses)) if (status >= "300") delete responses[status];
  }
}
const nodes = await openapiTS(document, { transform, alphabetize: true });
const text = HEAD + astToString(nodes);
if (!process.argv.includes("--check")) {
  writeFileSync(SCHEMA, text);
} else if (readFileSync(SCHEMA, "utf8") !== text) {
  console.error("src/api/schema.ts is not what tests/golden/openapi.json says: run `npm run types`");
  process.exit(1);
}
