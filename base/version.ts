// The version of skep, as it tells it wherever it is asked.

/** As in package.json; a test compares the two. */
export const version = "0.1.0";
