/**
 * The live page and a WebSocket client in a real browser: `npm run test:browser`, which installs Chromium where there is none.
 * `SCREENSHOT=docs/live-page.png` writes the picture of the README.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "@nats-io/transport-node";
import type { Varz } from "../../src/mod.ts";
import { until } from "../support/deadline.ts";
import { startEmbedded } from "../support/embedded.ts";
import { Chromium, type Page } from "./chromium.ts";
import { type Deployment, HOSTILE_NAME, startDeployment } from "./deployment.ts";

const SLOW_MS = 60_000;
/** A picture larger than this has no place in the repository. */
const SCREENSHOT_BYTES_MAX = 150_000;
/** A chart on a picture that is kept shows some course of things. */
const CHART_POINTS = process.env.SCREENSHOT === undefined ? 3 : 30;
/** WCAG 2.2, 1.4.3. */
const CONTRAST_MIN = 4.5;

/** What the page shows to the last digit. */
const EXACT_FIGURES = [
  "connections",
  "subscriptions",
  "in_msgs",
  "out_msgs",
  "slow_consumers",
  "stalled_clients",
  "leafnodes",
] as const;

let chromium: Chromium;

beforeAll(async () => {
  chromium = await Chromium.launch();
}, SLOW_MS);

afterAll(() => chromium.close());

describe("the live page", () => {
  let deployment: Deployment;
  let page: Page;
  let url: string;

  beforeAll(async () => {
    deployment = await startDeployment();
    url = `http://127.0.0.1:${deployment.server.monitoringPort}`;
    page = await chromium.openPage();
    await page.resize(1000, 960);
    await page.send("Emulation.setScrollbarsHidden", { hidden: true });
    await page.prefer("light");
    await page.goTo(`${url}/live`);
    await page.until(`document.querySelectorAll("#connections tr").length >= 7`);
  }, SLOW_MS);

  afterAll(() => deployment.stop());

  test(
    "shows rates, shards and linked servers while clients are at work",
    async () => {
      await page.until(`/[1-9].*\\/s/.test(document.querySelector("#msgs-in").textContent)`);
      await page.until(
        `document.querySelector("#msgs-chart polyline").getAttribute("points").split(" ").length > 2`,
      );
      expect(await page.text("h1")).toBe("east-1");
      expect(await page.text("#status")).toBe("live");
      const drawn = await page.evaluate<string[]>(
        `[...document.querySelectorAll("#map g text:first-of-type")].map((text) => text.textContent)`,
      );
      expect(drawn.sort()).toEqual(["east-1", "east-2", "east-3", "harbour", "north", "pier", "west"]);
      const shards = await page.evaluate<string[]>(
        `[...document.querySelectorAll("#shards th")].map((cell) => cell.textContent)`,
      );
      expect(shards).toEqual(["0", "1", "links"]);
    },
    SLOW_MS,
  );

  test("asks only its own server, and the console has nothing to complain of", () => {
    expect(page.requests.filter((request) => !request.startsWith(`${url}/`))).toEqual([]);
    expect(page.errors).toEqual([]);
  });

  test("shows a client's name as text, whatever it is", async () => {
    const names = await page.evaluate<string[]>(
      `[...document.querySelectorAll("#connections th")].map((cell) => cell.textContent)`,
    );
    expect(names).toContain(HOSTILE_NAME);
    expect(await page.evaluate(`document.querySelectorAll("main img, main script").length`)).toBe(0);
    expect(await page.evaluate("document.title")).toBe("east-1 – Midge");
  });

  test("runs no script that is not a file of the page", async () => {
    const seen = page.errors.length;
    await page.evaluate(`{
      const script = document.createElement("script");
      script.textContent = "document.title = 'owned'";
      document.body.append(script);
      script.remove();
    }`);
    expect(await page.evaluate("document.title")).toBe("east-1 – Midge");
    await until(
      () => page.errors.length > seen,
      () => "the policy says nothing",
    );
    expect(page.errors.splice(seen).join()).toContain("Content Security Policy");
  });

  test(
    "goes from element to element by keyboard, in the order of the page, and shows where it is",
    async () => {
      const wanted = await page.evaluate<number>(`{
      document.activeElement?.blur();
      window.stops = [...document.querySelectorAll("a[href], button, [tabindex='0']")];
      stops.length;
    }`);
      expect(wanted).toBeGreaterThan(20);
      for (let at = 0; at < wanted; at++) {
        await page.press("Tab");
        const focused = await page.evaluate<[number, string]>(
          `[stops.indexOf(document.activeElement), getComputedStyle(document.activeElement).outlineStyle]`,
        );
        expect(focused).toEqual([at, "solid"]);
      }
    },
    SLOW_MS,
  );

  test(
    "sorts connections by the column whose button is pressed",
    async () => {
      await page.evaluate(`document.querySelector("#connections-head th[data-sort=cid] button").focus()`);
      await page.press("Enter");
      await page.until(`document.querySelector("th[aria-sort=ascending]")?.dataset.sort === "cid"`);
      const ids = () =>
        page.evaluate<number[]>(
          `[...document.querySelectorAll("#connections tr")].map((row) => Number(row.cells[1].textContent))`,
        );
      await until(
        async () => {
          const shown = await ids();
          return shown.length > 0 && shown.every((id, at) => at === 0 || id > shown[at - 1]!);
        },
        () => "the connections are in no order",
      );
    },
    SLOW_MS,
  );

  test(
    "is paused by its button, and while nobody can see it",
    async () => {
      const isQuiet = async () => {
        await page.until(`document.querySelector("#status").textContent === "paused"`);
        const asked = page.requests.length;
        await page.evaluate("new Promise((resolve) => setTimeout(resolve, 2500))");
        return page.requests.length === asked;
      };
      await page.evaluate(`document.querySelector("#pause").click()`);
      expect(await isQuiet()).toBe(true);
      await page.evaluate(`document.querySelector("#pause").click()`);
      await page.until(`document.querySelector("#status").textContent === "live"`);
      const hide = (isHidden: boolean) =>
        page.evaluate(`Object.defineProperty(document, "hidden", { value: ${isHidden}, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"))`);
      await hide(true);
      expect(await isQuiet()).toBe(true);
      await hide(false);
      await page.until(`document.querySelector("#status").textContent === "live"`);
    },
    SLOW_MS,
  );

  test(
    "fits a telephone of 320 pixels, where only tables scroll",
    async () => {
      await page.resize(320, 640);
      await page.until(`document.querySelector("#map").viewBox.baseVal.width <= 320`);
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(320);
      const cut = await page.evaluate<string[]>(`[...document.querySelectorAll("body *:not(.scroll *)")]
      .filter((element) => element.getBoundingClientRect().right > 320.5)
      .map((element) => element.outerHTML.slice(0, 80))`);
      expect(cut).toEqual([]);
      await page.resize(1000, 960);
    },
    SLOW_MS,
  );

  test(
    "is legible in the light and in the dark",
    async () => {
      const grounds: string[] = [];
      for (const scheme of ["light", "dark"] as const) {
        await page.prefer(scheme);
        grounds.push(await page.evaluate("getComputedStyle(document.body).backgroundColor"));
        for (const selector of [
          "body",
          "#about",
          "nav a",
          ".figures dt",
          ".figures .more",
          "figcaption .in",
          "figcaption .out",
          ".note",
          "tbody td",
        ]) {
          const contrast = contrastOf(await page.evaluate<[string, string]>(colours(selector)));
          expect([scheme, selector, contrast >= CONTRAST_MIN]).toEqual([scheme, selector, true]);
        }
      }
      expect(grounds).toEqual(["rgb(255, 255, 255)", "rgb(18, 22, 27)"]);
      await page.prefer("light");
    },
    SLOW_MS,
  );

  test(
    "has a picture small enough for the repository",
    async () => {
      await page.until(
        `document.querySelector("#msgs-chart polyline").getAttribute("points").split(" ").length > ${CHART_POINTS}`,
        SLOW_MS,
      );
      await page.evaluate(
        `document.querySelector("#connections-head th[data-sort=msgs_from] button").click(); document.activeElement.blur(); scrollTo(0, 0)`,
      );
      await page.evaluate("new Promise((resolve) => setTimeout(resolve, 1500))");
      const picture = await page.screenshot();
      expect(picture.length).toBeLessThan(SCREENSHOT_BYTES_MAX);
      if (process.env.SCREENSHOT !== undefined) writeFileSync(process.env.SCREENSHOT, picture);
    },
    2 * SLOW_MS,
  );

  test(
    "its figures are those of /varz",
    async () => {
      deployment.rest();
      const read = async () => (await (await fetch(`${url}/varz`)).json()) as Varz;
      const shown = () =>
        page.evaluate<Record<string, string>>(
          `Object.fromEntries([...document.querySelectorAll("[data-field]")].map((value) => [value.dataset.field, value.textContent]))`,
        );
      let [varz, figures] = [await read(), await shown()];
      const isEqual = (field: (typeof EXACT_FIGURES)[number]) =>
        figures[field] === varz[field].toLocaleString("en-US");
      // What was published is still on its way for a while, and the page is a second behind.
      await until(
        async () => {
          [varz, figures] = [await read(), await shown()];
          return EXACT_FIGURES.every(isEqual);
        },
        () => `the page shows ${JSON.stringify(figures)}, /varz ${JSON.stringify(varz)}`,
        SLOW_MS / 2,
      );
      expect(varz.in_msgs).toBeGreaterThan(1000);
      expect(page.errors).toEqual([]);
    },
    SLOW_MS,
  );

  test(
    "says so when the server does not answer any more",
    async () => {
      await deployment.stop();
      await page.until(`document.querySelector("#status").textContent.startsWith("no answer")`);
    },
    SLOW_MS,
  );
});

test(
  "@nats-io/nats-core in a browser talks to a server's WebSocket port",
  async () => {
    const { server } = await startEmbedded({ config: 'websocket { listen: "127.0.0.1:-1", no_tls: true }' });
    const outside = await connect({ servers: server.clientUrl });
    outside.subscribe("outside.upper", {
      callback: (_error, message) => void message.respond(message.string().toUpperCase()),
    });
    await outside.flush();
    const script = bundle(fileURLToPath(new URL("websocket_page.js", import.meta.url)));
    const site = createServer((request, response) => {
      const isScript = request.url === "/page.js";
      response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
      response.end(
        isScript
          ? script
          : '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
      );
    });
    await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
    const page = await chromium.openPage();
    const { port } = site.address() as AddressInfo;
    await page.goTo(`http://127.0.0.1:${port}/?server=ws://127.0.0.1:${server.webSocketPort}`);
    await page.until(`/^(passed|failed)/.test(document.title)`);
    expect(await page.evaluate("document.title")).toBe("passed");
    expect(page.errors).toEqual([]);
    await outside.close();
    site.closeAllConnections();
    site.close();
    await server.stop();
  },
  SLOW_MS,
);

/** One script of a module and its packages. */
function bundle(entry: string): string {
  const folder = mkdtempSync(join(tmpdir(), "midge-bundle-"));
  const bun = fileURLToPath(new URL("../../node_modules/.bin/bun", import.meta.url));
  const { status, stderr } = spawnSync(bun, ["build", entry, "--target=browser", "--outdir", folder], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`bun build failed: ${stderr}`);
  const script = readFileSync(join(folder, "websocket_page.js"), "utf8");
  rmSync(folder, { recursive: true });
  return script;
}

/** An expression for an element's colour and that of what is behind it. */
function colours(selector: string): string {
  return `{
    let behind = document.querySelector(${JSON.stringify(selector)});
    const { color } = getComputedStyle(behind);
    const groundOf = (element) => getComputedStyle(element).backgroundColor;
    while (groundOf(behind) === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
    [color, groundOf(behind)];
  }`;
}

/** Source: WCAG 2.2, "contrast ratio" and "relative luminance". */
function contrastOf([text, ground]: readonly [string, string]): number {
  const luminance = (colour: string) => {
    const [red, green, blue] = colour.match(/\d+/g)!.map((value) => {
      const share = Number(value) / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  };
  const [light, dark] = [luminance(text), luminance(ground)].sort((a, b) => b - a);
  return (light! + 0.05) / (dark! + 0.05);
}
