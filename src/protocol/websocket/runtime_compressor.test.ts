import { runtimeCompressor } from "./runtime_compressor.ts";
import { testCompressor } from "./testing/compressor_cases.ts";

testCompressor("runtimeCompressor", () => runtimeCompressor);
