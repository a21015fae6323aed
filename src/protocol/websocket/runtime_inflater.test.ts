import { runtimeInflater } from "./runtime_inflater.ts";
import { testInflater } from "./testing/inflater_cases.ts";

testInflater("runtimeInflater", () => runtimeInflater);
