static void show(FILE *out, const struct tensor *tensor, const char *shown, int width)
{
    printf("plain\n");
    fprintf(out, "%s %d%%\n", shown, width);
    fprintf(out, "%s\n", tensor->name); /* SEEDED */
    fprintf(out, "%-*s %s\n", width, shown,
            lyc_dtype_name(tensor->dtype));
    fprintf(out, "%*d %s\n", width, 4, tensor->name); /* SEEDED */
    fprintf(out, "%" PRIu64 " %s %s\n", tensor->bytes, shown_key, many ? "tensors" : "tensor");
    fprintf(out, "%zu %.3s, \"quoted, %d\"\n", /* SEEDED: the call starts here */
            tensor->count, tensor->metadata[f(1, 2)], 3);
    fputs(tensor->name, out); /* SEEDED */
    fputs(lyc_style_end(true), out);
    fprintf(out, tensor->name); /* SEEDED */
    lyc_text_wrap(out, tensor->key, 2, 4, 80); /* SEEDED */
    fputs("a literal of "
          "two parts\n",
          out);
    snprintf(text, sizeof text, "%s", tensor->name);
}
