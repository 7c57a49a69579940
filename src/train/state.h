/* state.h - all that a run needs to go on: a folder with tensors and a description
 *
 * `state.json` describes the run and names the file of the tensors, `state-<step>.safetensors`, with its SHA-256. A new
 * state writes its tensors first and exchanges state.json last, so that at every moment one whole state is there; the
 * tensors of the one before are removed then.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_STATE_H
#define LYC_TRAIN_STATE_H

#include <jansson.h>

#include "lycoris/safetensors.h"

enum { LYC_STATE_VERSION = 1 };

/* A tensor to keep. */
typedef struct lyc_state_tensor {
    const char *name;
    lyc_tensor_view view; /* its own name is not looked at */
} lyc_state_tensor;

/* Writes a state; the folder is made when it is not there. facts: an object; "version", "step", "tensors", "sha256" are
 * added. */
lyc_status lyc_state_save(const char *folder, int64_t step, const lyc_state_tensor *tensors, size_t count,
                          const json_t *facts, lyc_error *err);

/* Removes a state with its folder; nothing when there is none. Other files in the folder stay, and so does it then. */
lyc_status lyc_state_remove(const char *folder, lyc_error *err);

typedef struct lyc_state lyc_state;

/* LYC_E_IO: there is none; LYC_E_FORMAT: it is damaged, or of another version. */
lyc_status lyc_state_open(lyc_state **out, const char *folder, lyc_error *err);
void lyc_state_close(lyc_state *state);

const lyc_safetensors *lyc_state_tensors(const lyc_state *state);
const json_t *lyc_state_facts(const lyc_state *state);
int64_t lyc_state_step(const lyc_state *state);

/* Members of two objects that are not equal, but for those in `free` (NULL-terminated): all of them in one message,
 * LYC_E_ARGUMENT. `what` says of what: "options". */
lyc_status lyc_state_compare(const char *what, const json_t *before, const json_t *now, const char *const *free,
                             lyc_error *err);

#endif
