static size_t area(size_t a, size_t b) { return a * b; }
