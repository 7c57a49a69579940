/* option.h - a table of options: parsing, range checks, help, manual and completion all come from it
 *
 * Whatever takes options (a subcommand, an adapter algorithm, a sampler) describes them once, as rows that say where in
 * its struct a value goes:
 *
 *     struct config { int64_t rank; double alpha; };
 *     static const lyc_option options[] = {
 *         {.name = "rank", .kind = LYC_OPTION_INT, .offset = offsetof(struct config, rank), .standard = "4",
 *          .min = 1, .max = LYC_OPTION_UNLIMITED, .help = "inner dimension of each product"},
 *         {.name = "alpha", .kind = LYC_OPTION_FLOAT, .offset = offsetof(struct config, alpha), .standard = "1",
 *          .help = "the change is scaled by alpha / rank"},
 *         {0},
 *     };
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_OPTION_H
#define LYCORIS_OPTION_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lycoris/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a value is, and the type of the struct's member. */
typedef enum lyc_option_kind {
    LYC_OPTION_BOOL,  /* bool: true, yes, on, 1, or false, no, off, 0 */
    LYC_OPTION_INT,   /* int64_t */
    LYC_OPTION_FLOAT, /* double: decimal, finite */
    LYC_OPTION_SIZE,  /* uint64_t, bytes: 4096, 512M, 2.4G; K M G T (KiB ...) are powers of 1024, kB MB GB TB of 1000 */
    LYC_OPTION_TEXT,  /* const char *: the caller's text, not copied */
    LYC_OPTION_PATH,  /* the same, a name in the file system */
    LYC_OPTION_ENUM,  /* int: the index in choices */
    LYC_OPTION_LIST,  /* lyc_option_list: each mention adds a text, not copied */
    LYC_OPTION_KIND_COUNT
} lyc_option_kind;

typedef struct lyc_option_list {
    const char **items;
    size_t count;
} lyc_option_list;

typedef struct lyc_option_choice {
    const char *name; /* NULL ends the choices */
    const char *help; /* may be NULL */
} lyc_option_choice;

typedef struct lyc_option {
    const char *name; /* long name without dashes; NULL ends the table */
    lyc_option_kind kind;
    char letter;                      /* short name; 0: none */
    bool hidden;                      /* works, but is shown nowhere */
    size_t offset;                    /* of the member, in bytes */
    const char *standard;             /* the value when the option is not given, as text; NULL: false, 0, none */
    double min, max;                  /* numbers and sizes lie between, both included; min == max: no limits */
    const lyc_option_choice *choices; /* of LYC_OPTION_ENUM */
    const char *metavar;              /* what help calls the value; NULL: a word for the kind */
    const char *help;                 /* what it does, lower case, without a full stop */
    const char *heading; /* help begins a group of this title with it; NULL: it belongs to the one before */
} lyc_option;

#define LYC_OPTION_UNLIMITED ((double)INFINITY)

/* Gives every member its standard value. Fails where a standard value is not a legal one. */
LYC_API lyc_status lyc_option_reset(void *config, const lyc_option *options, lyc_error *err);

/* Gives one member the value that the text stands for. The message says what is wrong with the text, not which option
 * it was: "'abc' is not a whole number". A list keeps the pointer until the config is cleared. */
LYC_API lyc_status lyc_option_set(void *config, const lyc_option *option, const char *value, lyc_error *err);

/* Releases the lists of the config and empties them. */
LYC_API void lyc_option_clear(void *config, const lyc_option *options);

/* The row of that name, or NULL. */
LYC_API const lyc_option *lyc_option_find(const lyc_option *options, const char *name);

/* Changes that turn one word into the other: letters inserted, deleted, replaced, or swapped with the next one (the
 * last count as one change). What grows above limit is not followed further: any number above limit is returned. */
LYC_API int lyc_text_distance(const char *a, const char *b, int limit);

/* Whether a is near enough to b to have been meant: "treads" for "threads". The smaller *distance, the nearer. */
LYC_API bool lyc_text_resembles(int *distance, const char *a, const char *b);

#ifdef __cplusplus
}
#endif
#endif
