static void f(void) { fprintf(log, "%s", name); }
