// Input that is nearly right, for fuzzers.
import fc from "fast-check";

/** Bytes that were right once: one was changed, some were lost, or others put in. */
export const corrupted = (whole: fc.Arbitrary<Uint8Array>) =>
  fc.tuple(whole, fc.nat(), fc.nat(255), fc.constantFrom("change", "lose", "add", "keep")).map(
    ([bytes, at, byte, how]) => {
      const place = bytes.length === 0 ? 0 : at % bytes.length;
      const copy = Buffer.from(bytes);
      if (how === "change" && copy.length > 0) copy[place] = byte;
      if (how === "lose") return copy.subarray(0, place);
      if (how === "add") {
        return Buffer.concat([copy.subarray(0, place), Buffer.from([byte, byte]), copy.subarray(place)]);
      }
      return copy;
    },
  );
