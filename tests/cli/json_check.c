/* json_check.c - reads JSON from standard input, strictly, and prints one value of it
 *
 *     json_check [NAME | INDEX]...
 *
 * The names and indices lead from the top to the value, which is printed on one line with its names sorted. Exit status
 * 1 when the input is no JSON (duplicate names count) or has no such value.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

int main(int argc, char **argv)
{
    json_error_t error;
    json_t *root = json_loadf(stdin, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (root == NULL) {
        fprintf(stderr, "json_check: line %d: %s\n", error.line, error.text);
        return 1;
    }
    const json_t *value = root;
    for (int i = 1; i < argc && value != NULL; i++) {
        value =
            json_is_array(value) ? json_array_get(value, strtoul(argv[i], NULL, 10)) : json_object_get(value, argv[i]);
    }
    int status = 0;
    if (value == NULL || json_dumpf(value, stdout, JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_ENSURE_ASCII) != 0) {
        fputs("json_check: no such value\n", stderr);
        status = 1;
    }
    putchar('\n');
    json_decref(root);
    return status;
}
