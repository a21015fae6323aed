import { testInflater } from "../../protocol/websocket/testing/inflater_cases.ts";
import { inflaterForTests } from "../testing/poller_subjects.ts";

testInflater("LibzInflater", inflaterForTests);
