/* request_list.h - lines of prompts that lie in memory
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_REQUEST_LIST_H
#define LYC_DIFFUSION_REQUEST_LIST_H

#include "base/error.h"
#include "lycoris/generate.h"

/* As lyc_request_list_open; the text is copied. */
lyc_status lyc_request_list_parse(lyc_request_list **out, const char *text, const lyc_generate_options *standard,
                                  lyc_error *err);

#endif
