/* "LYCORIS_COMMENT" is no variable */
static int f(void) { return number("LYCORIS_THREADS") + (getenv("HOME") != 0); }
static int g(void) { return getenv("LYCORIS_SECRET") != 0; } /* SEEDED */
