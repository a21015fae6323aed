import { describe, expect, test } from "bun:test";
import { connectWindow } from "./connect_times.ts";

const at = (text: string) => Date.parse(text);
const open = (endsAt: string) => ({ isOpen: true, endsAtMs: at(endsAt) });
const CLOSED = { isOpen: false, endsAtMs: null };

describe("connectWindow()", () => {
  test("is open without windows", () => {
    expect(connectWindow([], "", 0)).toEqual({ isOpen: true, endsAtMs: null });
  });

  test("is open strictly between start and end", () => {
    const times = [{ start: "08:00:00", end: "17:30:00" }];
    const window = (time: string) => connectWindow(times, "UTC", at(`2026-03-10T${time}Z`));
    expect(window("12:00:00")).toEqual(open("2026-03-10T17:30:00Z"));
    for (const time of ["07:59:59", "08:00:00", "17:30:00", "23:00:00"]) expect(window(time)).toEqual(CLOSED);
    expect(window("08:00:00.001")).toEqual(open("2026-03-10T17:30:00Z"));
  });

  test("goes on past midnight", () => {
    const times = [{ start: "22:00:00", end: "06:00:00" }];
    const window = (time: string) => connectWindow(times, "UTC", at(`2026-03-10T${time}Z`));
    expect(window("23:30:00")).toEqual(open("2026-03-11T06:00:00Z"));
    expect(window("05:00:00")).toEqual(open("2026-03-10T06:00:00Z"));
    expect(window("12:00:00")).toEqual(CLOSED);
  });

  test("takes the window that stays open longest", () => {
    const times = [
      { start: "08:00:00", end: "12:00:00" },
      { start: "9:00:00.5", end: "18:00:00,9" },
      { start: "10:30:00", end: "11:00:00" },
    ];
    expect(connectWindow(times, "UTC", at("2026-03-10T10:00:00Z"))).toEqual(open("2026-03-10T18:00:00Z"));
  });

  test("reads the clocks of the location, also on the day they change", () => {
    const times = [{ start: "01:00:00", end: "04:00:00" }];
    const window = (time: string) => connectWindow(times, "America/New_York", at(time));
    expect(window("2026-03-07T07:00:00Z")).toEqual(open("2026-03-07T09:00:00Z"));
    expect(window("2026-03-08T06:30:00Z")).toEqual(open("2026-03-08T08:00:00Z")); // 2 o'clock was 3 o'clock
    expect(window("2026-03-08T08:00:00Z")).toEqual(CLOSED);
  });

  test("is closed where zone or time cannot be read", () => {
    const now = at("2026-03-10T12:00:00Z");
    expect(connectWindow([{ start: "08:00:00", end: "17:00:00" }], "Mars/Olympus", now)).toEqual(CLOSED);
    for (const bad of ["", "8", "24:00:00", "08:60:00", "08:00"]) {
      expect(connectWindow([{ start: bad, end: "17:00:00" }], "UTC", now)).toEqual(CLOSED);
    }
  });
});
