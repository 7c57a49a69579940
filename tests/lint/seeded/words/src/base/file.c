static int f(void) { return open("x", 0); }
static int g(void) { return strcpy(a, b); } /* SEEDED */
static void h(void *p) { free(p); } /* SEEDED */
