/* vips.c - libvips: started once, with what pictures of strangers demand
 *
 * Loaders that libvips itself calls untrusted (SVG, PDF, ImageMagick, ...) are blocked: they run large libraries over
 * hostile input. The cache of operations is off, since pictures are read once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "image/vips.h"

#include <string.h>

#include "base/string.h"
#include "lycoris/system.h"

static gsize started; /* g_once_init_enter: 0 until libvips runs */

/* Warnings about damaged pictures: what matters is in the error. */
static void discard(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer context)
{
    (void)domain;
    (void)level;
    (void)message;
    (void)context;
}

lyc_status lyc_vips_start(lyc_error *err)
{
    if (g_once_init_enter(&started)) {
        const bool good = vips_init("lycoris") == 0;
        if (good) {
            vips_cache_set_max(0);
            vips_concurrency_set(lyc_thread_count());
            vips_block_untrusted_set(TRUE);
            g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO, discard, NULL);
        }
        g_once_init_leave(&started, good ? 1 : 2);
    }
    return started == 1 ? LYC_OK : lyc_vips_fail(err, LYC_E_UNSUPPORTED, "libvips does not start");
}

lyc_status lyc_vips_fail(lyc_error *err, lyc_status status, const char *text)
{
    char line[256];
    const char *said = vips_error_buffer();
    size_t n = 0;
    for (; said[n] != '\0' && n < sizeof line - 1; n++) {
        line[n] = said[n] == '\n' ? ' ' : said[n];
    }
    while (n > 0 && line[n - 1] == ' ') {
        n--;
    }
    line[n] = '\0';
    vips_error_clear();
    return n > 0 ? lyc_fail(err, status, "%s: %s", text, line) : lyc_fail(err, status, "%s", text);
}

VipsImage *lyc_vips_borrow(const lyc_image *image)
{
    const size_t bytes = (size_t)image->width * (size_t)image->height * (size_t)image->channels;
    VipsImage *plain =
        vips_image_new_from_memory(image->data, bytes, image->width, image->height, image->channels, VIPS_FORMAT_UCHAR);
    VipsImage *typed = NULL;
    if (plain != NULL) {
        vips_copy(plain, &typed, "interpretation",
                  image->channels == 3 ? VIPS_INTERPRETATION_sRGB : VIPS_INTERPRETATION_B_W, NULL);
        g_object_unref(plain);
    }
    return typed;
}

lyc_status lyc_vips_collect(lyc_image *out, VipsImage *in, const char *what, lyc_error *err)
{
    LYC_TRY(lyc_image_init(out, in->Xsize, in->Ysize, in->Bands, err));
    size_t bytes = 0;
    void *pixels = vips_image_write_to_memory(in, &bytes);
    if (pixels == NULL) {
        lyc_image_clear(out);
        return lyc_vips_fail(err, LYC_E_FORMAT, what);
    }
    memcpy(out->data, pixels, bytes);
    g_free(pixels);
    return LYC_OK;
}
