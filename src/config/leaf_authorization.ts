/** Who may connect as a leaf node. */
import { publicKey, SINGLE_USER } from "./authorization.ts";
import { block, blockReader, type OptionsOf, option, type Reader, readBlock, wrongType } from "./option.ts";
import { arrayOf, authorizationTimeout, bool, secret, string } from "./readers.ts";

const LEAF_USER_BLOCK = block("leafnode user", {
  user: option({
    key: "user",
    aliases: ["username"],
    reader: string,
    default: "",
    doc: "The name a leaf logs in with.",
  }),
  password: option<string | undefined>({
    key: "password",
    aliases: ["pass"],
    reader: secret,
    default: undefined,
    doc: "Its password.",
  }),
  account: option<string | undefined>({
    key: "account",
    reader: string,
    default: undefined,
    doc: "The account it is bound to; $G if absent.",
  }),
  proxyRequired: option({
    key: "proxy_required",
    reader: bool,
    default: false,
    doc: "Admits it only through a trusted proxy.",
  }),
});

export type LeafUserOptions = OptionsOf<typeof LEAF_USER_BLOCK.table>;

const LEAF_AUTHORIZATION_BLOCK = block("leafnode authorization", {
  ...SINGLE_USER,
  nkey: option<string | undefined>({
    key: "nkey",
    reader: publicKey("user", () => "Not a valid public nkey for leafnode authorization"),
    default: undefined,
    doc: "The single public user key.",
  }),
  account: option<string | undefined>({
    key: "account",
    reader: string,
    default: undefined,
    doc: "The account of the single user; $G if absent.",
  }),
  users: option<readonly LeafUserOptions[]>({
    key: "users",
    reader: arrayOf(blockReader(LEAF_USER_BLOCK)),
    default: [],
    doc: "Several users instead.",
  }),
  timeoutMs: option<number | undefined>({
    key: "timeout",
    reader: authorizationTimeout,
    default: undefined,
    doc: "How long a leaf has to authenticate.",
  }),
  proxyRequired: option({
    key: "proxy_required",
    reader: bool,
    default: false,
    doc: "Admits leafs only through a trusted proxy.",
  }),
});

export type LeafAuthorizationOptions = OptionsOf<typeof LEAF_AUTHORIZATION_BLOCK.table>;

export const authorization: Reader<LeafAuthorizationOptions> = {
  type: "authorization block",
  blocks: [LEAF_AUTHORIZATION_BLOCK],
  read: (value, site) => {
    if (value.kind !== "map") return wrongType(value, site, "a map to define leafnode authorization");
    const read = readBlock(LEAF_AUTHORIZATION_BLOCK, value, site);
    if (read.users.length === 0) return read;
    if (read.user) return site.error("can not have a single user/pass and a users array");
    if (read.nkey) return site.error("can not have a single nkey and a users array");
    const names = read.users.map(({ user }) => user);
    const duplicate = names.find((name, index) => names.indexOf(name) !== index);
    if (duplicate === undefined) return read;
    return site.error(`duplicate user ${JSON.stringify(duplicate)} detected in leafnode authorization`);
  },
};
