// What the engine tells the host when it returns, in words of the node's area.

import {
  AREA_HEADER_LENGTH,
  AREA_LINE_LENGTH,
  AREA_MESSAGE_END,
  AREA_REPLY,
  AREA_REPLY_LENGTH,
  AREA_REST,
  AREA_RESUME,
  AREA_SUBJECT,
  AREA_SUBJECT_HASH,
  AREA_SUBJECT_LENGTH,
  PLAN_HASH,
} from "../../memory/layout";
import { area } from "./area";
import { lookedUpHash } from "./plan";

/** Notes where to resume and returns `reason`. */
export function resume(reason: i32, at: u32): i32 {
  store<u32>(area, at, AREA_RESUME);
  return reason;
}

/**
 * Writes down the parts of the message at hand. Without a plan, the hash is that of the subject that planFor() has just
 * looked up.
 */
export function found(
  plan: u32,
  subject: u32,
  subjectLength: u32,
  rest: u32,
  replyLength: u32,
  lineLength: u32,
  headerLength: i32,
  messageEnd: u32,
): void {
  store<u32>(area, subject, AREA_SUBJECT);
  store<u32>(area, subjectLength, AREA_SUBJECT_LENGTH);
  store<u32>(area, plan != 0 ? load<u32>(plan, PLAN_HASH) : lookedUpHash, AREA_SUBJECT_HASH);
  store<u32>(area, rest, AREA_REST);
  store<u32>(area, rest, AREA_REPLY);
  store<u32>(area, replyLength, AREA_REPLY_LENGTH);
  store<u32>(area, lineLength, AREA_LINE_LENGTH);
  store<i32>(area, headerLength, AREA_HEADER_LENGTH);
  store<u32>(area, messageEnd, AREA_MESSAGE_END);
}
