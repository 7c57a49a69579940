void *lyc_alloc(size_t size) { return malloc(size); }
