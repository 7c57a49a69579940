int main(void) { puts("x"); exit(1); }
static void *f(void) { return calloc(1, 1); } /* SEEDED */
