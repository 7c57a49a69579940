/* output_files.c - names of what a run writes, and which of them are removed again
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/output_files.h"

#include <inttypes.h>

#include "base/folder.h"
#include "train/state.h"

static void stem(lyc_strbuf *path, const lyc_output_files *files, lyc_trainer_event event, int64_t number)
{
    lyc_strbuf_format(path, "%s/%s", files->folder, files->name);
    if (event == LYC_TRAINER_AT_EPOCH) {
        lyc_strbuf_format(path, "-%06" PRId64, number);
    } else if (event == LYC_TRAINER_AT_STEP) {
        lyc_strbuf_format(path, "-step%08" PRId64, number);
    }
}

void lyc_output_file(lyc_strbuf *path, const lyc_output_files *files, lyc_trainer_event event, int64_t number)
{
    stem(path, files, event, number);
    lyc_strbuf_append(path, files->folders ? "" : ".safetensors");
}

void lyc_output_state(lyc_strbuf *path, const lyc_output_files *files, lyc_trainer_event event, int64_t number)
{
    stem(path, files, event, number);
    lyc_strbuf_append(path, "-state");
}

/* The number that goes when `number` has come; 0: none. Steps are kept by their age, not by their count. */
static int64_t too_many(lyc_trainer_event event, int64_t number, int64_t every, int64_t keep)
{
    if (keep < 1 || every < 1 || event > LYC_TRAINER_AT_EPOCH) {
        return 0;
    }
    if (event == LYC_TRAINER_AT_EPOCH) {
        return number > every * keep ? number - every * keep : 0;
    }
    const int64_t old = number - keep - 1;
    return old > 0 ? old - old % every : 0;
}

lyc_status lyc_output_rotate_file(const lyc_output_files *files, lyc_trainer_event event, int64_t number,
                                  lyc_error *err)
{
    const bool epoch = event == LYC_TRAINER_AT_EPOCH;
    const int64_t old = too_many(event, number, epoch ? files->every_epochs : files->every_steps,
                                 epoch ? files->keep_epochs : files->keep_steps);
    lyc_strbuf path = {0};
    if (old == 0) {
        return LYC_OK;
    }
    lyc_output_file(&path, files, event, old);
    lyc_status status = lyc_strbuf_check(&path, "the name of a file", err);
    if (status == LYC_OK) {
        if (files->folders) {
            lyc_folder_remove_all(path.text);
        } else {
            status = lyc_file_remove(path.text, err);
        }
    }
    lyc_strbuf_clear(&path);
    return status;
}

lyc_status lyc_output_rotate_state(const lyc_output_files *files, lyc_trainer_event event, int64_t number,
                                   lyc_error *err)
{
    const bool epoch = event == LYC_TRAINER_AT_EPOCH;
    const int64_t keep_epochs = files->keep_epochs_state > 0 ? files->keep_epochs_state : files->keep_epochs;
    const int64_t keep_steps = files->keep_steps_state > 0 ? files->keep_steps_state : files->keep_steps;
    const int64_t old =
        too_many(event, number, epoch ? files->every_epochs : files->every_steps, epoch ? keep_epochs : keep_steps);
    lyc_strbuf path = {0};
    if (old == 0) {
        return LYC_OK;
    }
    lyc_output_state(&path, files, event, old);
    lyc_status status = lyc_strbuf_check(&path, "the name of a folder", err);
    if (status == LYC_OK) {
        status = lyc_state_remove(path.text, err);
    }
    lyc_strbuf_clear(&path);
    return status;
}
