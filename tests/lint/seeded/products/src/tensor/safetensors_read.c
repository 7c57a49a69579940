/* a * b in a comment */
static const char *text = "a * b";
static size_t f(const size_t *dims, char *name, size_t n)
{
    enum { BLOCK = 16 * 1024, PAGE = BLOCK * 4, ROOM = 8 * sizeof(size_t) };
    size_t a = n * dims[0]; /* SEEDED */
    a *= 2; /* SEEDED */
    a = n * 8; /* SEEDED */
    a = 8 * lyc_count(name); /* SEEDED */
    a = *dims + (size_t)*name;
    a = n * 2; /* fits: n is at most 4096 */
    /* fits: the caller bounds n */
    a = n * n;
    a = n * n; /* SEEDED: fits */
    /* fits: */
    a = 2 * n; /* SEEDED: no reason above */
    return lyc_size_mul(&a, a, n);
}
