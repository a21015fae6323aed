/** The program: works out what the command line asks for, does it, and exits with a code that tells how it went. */
import { isDemoCommand, isKeyCommand } from "./commands.ts";
import { parseCommandLine } from "./flags.ts";
import { EXECUTABLE, refuse } from "./program.ts";

process.exitCode = 1;
const code = await run(process.argv.slice(2));
process.exit(code);

/** Everything except serving is loaded only when it is asked for. */
async function run(args: readonly string[]): Promise<number> {
  if (isKeyCommand(EXECUTABLE, args)) {
    const { runKeyTool } = await import("./keys/main.ts");
    const session = { print: console.log, nowSeconds: () => Date.now() / 1000 };
    return runKeyTool(args, session, console.error);
  }
  if (isDemoCommand(EXECUTABLE, args)) {
    const { startDemo } = await import("./demo/start.ts");
    return startDemo(args.slice(1));
  }
  const command = parseCommandLine(args);
  switch (command.kind) {
    case "serve": {
      const { serve } = await import("./serve.ts");
      return serve(command.flags, args);
    }
    case "version": {
      const { NATS_VERSION } = await import("../server/version.ts");
      console.log(`nats-server: v${NATS_VERSION}`);
      return 0;
    }
    case "help": {
      const { usageText } = await import("./help.ts");
      console.log(usageText(EXECUTABLE));
      return 0;
    }
    case "tlsHelp": {
      const { tlsHelpText } = await import("./help.ts");
      console.log(tlsHelpText());
      return 0;
    }
    case "testConfig": {
      const { testConfig } = await import("./test_config.ts");
      return testConfig(command.configFile);
    }
    case "signal": {
      const { signalServer } = await import("./signal_command.ts");
      const problem = signalServer(
        command.target === undefined ? command.command : `${command.command}=${command.target}`,
      );
      return problem === undefined ? 0 : refuse(problem);
    }
    case "refused": {
      if (command.showUsage) {
        const { usageText } = await import("./help.ts");
        console.log(usageText(EXECUTABLE));
      }
      return refuse(command.text);
    }
  }
}
