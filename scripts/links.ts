/** Follows every link in a document to a file, and to a heading in it. Exits with 1 if one leads nowhere. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const listed = spawnSync("git", ["ls-files", "-co", "--exclude-standard", "*.md"], {
  cwd: root,
  encoding: "utf8",
});
const documents = listed.stdout.split("\n").filter((path) => path !== "" && existsSync(join(root, path)));

const dead = documents.flatMap((document) =>
  linksOf(readFileSync(join(root, document), "utf8"))
    .filter((link) => !leadsSomewhere(join(root, document), link))
    .map((link) => `${document}: ${link}`),
);
console.log(`links: ${documents.length} documents, ${dead.length} dead links`);
for (const line of dead) console.error(line);
process.exit(dead.length === 0 && documents.length > 0 ? 0 : 1);

/** Targets of links within the repository. Those on the web are not tried. */
function linksOf(text: string): string[] {
  const prose = text.replace(/^```.*?^```/gms, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^\w+:/.test(target));
}

function leadsSomewhere(document: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? document : join(dirname(document), path);
  if (!existsSync(target) || relative(root, target).startsWith("..")) return false;
  return anchor === undefined || headingAnchors(readFileSync(target, "utf8")).includes(anchor);
}

/** The anchors that GitHub makes from headings. */
function headingAnchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\-_ ]/gu, "")
      .replaceAll(" ", "-"),
  );
}
