/* malloc(1) in a comment */
static const char *text = "printf(\"free(x)\")";
static void *f(struct plan *plan, void (*release)(void *))
{
    void *p = malloc(4); /* SEEDED */
    plan->free(p);
    ops.realloc(p, 2);
    lyc_free(p);
    snprintf(buffer, sizeof(buffer), "x");
    printf("x"); /* SEEDED */
    fprintf(stderr, "x"); /* SEEDED */
    execvp(p, 0); /* SEEDED */
    double time = 1;
    time = time + 1;
    free_list(exit, free, exit(2)); /* SEEDED */
    if (x) exit(1); /* SEEDED */
    /* over
       abort(); lines */ abort(); /* SEEDED */
    return strdup(text); /* SEEDED */
}
