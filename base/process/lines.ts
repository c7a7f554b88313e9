// Lines of text from a stream, each as soon as it is whole.

/** Calls `take` for each line, without its end; a longer one than `longest` characters is cut off there, empty ones are left out. */
export function eachLine(stream: NodeJS.ReadableStream | null, longest: number, take: (line: string) => void): void {
  let rest = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = (lines.pop() as string).slice(0, longest);
    for (const line of lines) if (line !== "") take(line.slice(0, longest));
  });
}
