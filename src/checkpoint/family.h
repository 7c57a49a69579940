/* family.h - which model it is
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CHECKPOINT_FAMILY_H
#define LYC_CHECKPOINT_FAMILY_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/source.h"

/* By the keys of a file, LYC_FAMILY_UNKNOWN when they do not tell. */
lyc_family lyc_family_of_source(const lyc_source *source);

/* LYC_E_UNSUPPORTED for families that cannot be computed here; path is for the message. */
lyc_status lyc_family_check(lyc_family family, const char *path, lyc_error *err);

/* The same by the class of a pipeline in model_index.json; NULL: not told. */
lyc_status lyc_family_check_class(const char *class_name, const char *path, lyc_error *err);

/* The family of a set of components (those that are not there are NULL), and whether they belong together: widths of
 * text states, channels of latents. Puts what only the whole tells into configurations that were inferred. */
lyc_status lyc_family_settle(lyc_family *out, lyc_component *const components[LYC_COMPONENT_COUNT], const char *path,
                             bool for_tools, lyc_error *err);

#endif
