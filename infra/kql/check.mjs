// Every KQL text of the evaluated deployments, judged by Microsoft's own language service against the table schemas.
//
//   node infra/kql/check.mjs [snapshot.json ...]     (without arguments: the committed snapshots)
//
// Prints what is wrong, one line each, and ends with 1; silence and 0 otherwise. tables.json holds the columns as the
// Azure Monitor reference lists them (learn.microsoft.com/azure/azure-monitor/reference/tables), for the tables we ask.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(import.meta.url);
require("@kusto/language-service-next/bridge.min");
require("@kusto/language-service-next/Kusto.Language.Bridge.min");
const { Bridge, Kusto } = globalThis;
const { DatabaseSymbol, TableSymbol } = Kusto.Language.Symbols;

const here = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
const json = (path) => JSON.parse(readFileSync(path, "utf-8"));

const tables = Object.entries(json(join(here, "tables.json"))).map(([name, columns]) =>
  TableSymbol.From(`(${columns})`).WithName(name),
);
const globals = Kusto.Language.GlobalState.Default.WithDatabase(new DatabaseSymbol.ctor("workspace", tables));

/** The queries of one evaluated deployment: [where, text]. */
function* queriesOf(snapshot) {
  for (const { type, name, properties } of snapshot.predictedResources) {
    if (type === "Microsoft.Insights/scheduledQueryRules") {
      for (const { query } of properties.criteria.allOf) yield [name, query];
    }
    if (type === "Microsoft.Insights/workbooks") {
      for (const item of JSON.parse(properties.serializedData).items) {
        // 3 is a query; its title is all that it has for a name.
        if (item.type === 3) yield [`workbook: ${item.content.title}`, item.content.query];
      }
    }
  }
}

const params = join(here, "..", "bicep", "params");
const committed = () => readdirSync(params).filter((file) => file.endsWith(".snapshot.json"));
const paths = process.argv.length > 2 ? process.argv.slice(2) : committed().map((file) => join(params, file));

let judged = 0;
let wrong = 0;
for (const path of paths) {
  for (const [where, text] of queriesOf(json(path))) {
    judged += 1;
    const code = Kusto.Language.KustoCode.ParseAndAnalyze(text, globals);
    for (const said of Bridge.toArray(code.GetDiagnostics())) {
      wrong += 1;
      console.log(`${path}: ${where}: ${said.Message} (${said.Code}) at "${text.slice(said.Start, said.End)}"`);
    }
  }
}
if (judged === 0) {
  console.log("no query was found: the snapshots, or this script, have changed");
  wrong = 1;
}
process.exit(wrong ? 1 : 0);
