// A folder for the run files of endpoints inside of a test's process, so that no `skep tap` beside it finds them.
import { tmpdir } from "node:os";
import { join } from "node:path";

export const hiddenRuns = join(tmpdir(), `skep-hidden-${process.pid}`);
