/* make_pictures.c - pictures with captions from an emoji font: what the base model learns from
 *
 *     make_pictures CONCEPTS COUNT FOLDER [FIRST]
 *
 * Takes the glyphs of the Noto Color Emoji font (Debian: fonts-noto-color-emoji) whose names of the Unicode CLDR
 * (unicode-cldr-core) are in the file CONCEPTS, puts each on grounds, into scenes and in styles, and writes COUNT
 * pictures of 64 x 64 pixels as FOLDER/<number>.png with the caption that says what is on them as FOLDER/<number>.txt,
 * and FOLDER.captions.txt with all words that captions can have. A picture depends on its number alone (from FIRST), so
 * sets with other numbers are other pictures of the same kind.
 *
 * Half are on white, a quarter on a plain colour, a quarter in a scene; an eighth is in a style.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <expat.h>
#include <hb-ot.h>
#include <hb.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <vips/vips.h>

static const char font_path[] = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf";
static const char cldr_path[] = "/usr/share/unicode/cldr/common/annotations/en.xml";

enum { SIDE = 64, MAX_CONCEPTS = 4096, NAME = 96 };

typedef struct colour {
    float r, g, b;
} colour;

/* A glyph, cut to what is visible: rgba, not premultiplied, 0 to 1. */
typedef struct concept {
    char name[NAME];
    char text[32]; /* its code points in UTF-8 */
    int width, height;
    float *pixels;
}
concept;

typedef struct concepts {
    concept items[MAX_CONCEPTS];
    int count;
    char cp[64]; /* of the annotation that is being read */
    bool is_name;
    char name[256];
} concepts;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "make_pictures: %s: %s\n", what, why);
    exit(1);
}

/* --- random numbers: splitmix64, by picture ------------------------------------------------------------------------
 */

static uint64_t next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static float uniform(uint64_t *state)
{
    return (float)(next(state) >> 40) / 16777216.0f;
}

static float between(uint64_t *state, float low, float high)
{
    return low + (high - low) * uniform(state);
}

static int below(uint64_t *state, int count)
{
    return (int)(next(state) % (uint64_t)count);
}

/* --- names and glyphs ----------------------------------------------------------------------------------------------
 */

static void read_list(concepts *c, const char *path)
{
    char line[512];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fail(path, "cannot be read");
    }
    while (fgets(line, sizeof line, file) != NULL && c->count < MAX_CONCEPTS) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] != '\0' && line[0] != '#') {
            snprintf(c->items[c->count++].name, NAME, "%.*s", NAME - 1, line);
        }
    }
    fclose(file);
}

static void XMLCALL begin_element(void *context, const char *name, const char **attributes)
{
    concepts *c = context;
    c->is_name = false;
    c->name[0] = '\0';
    if (strcmp(name, "annotation") != 0) {
        return;
    }
    for (int i = 0; attributes[i] != NULL; i += 2) {
        if (strcmp(attributes[i], "cp") == 0) {
            snprintf(c->cp, sizeof c->cp, "%s", attributes[i + 1]);
        } else if (strcmp(attributes[i], "type") == 0) {
            c->is_name = strcmp(attributes[i + 1], "tts") == 0;
        }
    }
}

static void XMLCALL add_text(void *context, const char *text, int length)
{
    concepts *c = context;
    const size_t had = strlen(c->name);
    if (c->is_name && had + (size_t)length < sizeof c->name) {
        memcpy(c->name + had, text, (size_t)length);
        c->name[had + (size_t)length] = '\0';
    }
}

static void XMLCALL end_element(void *context, const char *name)
{
    concepts *c = context;
    (void)name;
    for (int i = 0; i < c->count && c->is_name; i++) {
        if (strcmp(c->items[i].name, c->name) == 0 && strlen(c->cp) < sizeof c->items[i].text) {
            snprintf(c->items[i].text, sizeof c->items[i].text, "%s", c->cp);
        }
    }
    c->is_name = false;
}

static void read_names(concepts *c)
{
    char buffer[1 << 16];
    FILE *file = fopen(cldr_path, "r");
    XML_Parser parser = XML_ParserCreate(NULL);
    if (file == NULL) {
        fail(cldr_path, "not there; the package unicode-cldr-core has it");
    }
    XML_SetUserData(parser, c);
    XML_SetElementHandler(parser, begin_element, end_element);
    XML_SetCharacterDataHandler(parser, add_text);
    for (size_t got = 1; got > 0;) {
        got = fread(buffer, 1, sizeof buffer, file);
        if (XML_Parse(parser, buffer, (int)got, got == 0) == XML_STATUS_ERROR) {
            fail(cldr_path, XML_ErrorString(XML_GetErrorCode(parser)));
        }
    }
    XML_ParserFree(parser);
    fclose(file);
    for (int i = 0; i < c->count; i++) {
        if (c->items[i].text[0] == '\0') {
            fail(c->items[i].name, "no such name in the CLDR");
        }
    }
}

/* The part of the strike that is not transparent. */
static void crop(concept *c, const unsigned char *rgba, int width, int height)
{
    int left = width, right = -1, top = height, bottom = -1;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            if (rgba[4 * (y * width + x) + 3] > 8) {
                left = x < left ? x : left;
                right = x > right ? x : right;
                top = y < top ? y : top;
                bottom = y > bottom ? y : bottom;
            }
        }
    }
    if (right < 0) {
        fail(c->name, "its glyph is empty");
    }
    c->width = right - left + 1;
    c->height = bottom - top + 1;
    c->pixels = malloc((size_t)(c->width * c->height) * 4 * sizeof *c->pixels);
    for (int y = 0; c->pixels != NULL && y < c->height; y++) {
        for (int x = 0; x < 4 * c->width; x++) {
            c->pixels[y * 4 * c->width + x] = (float)rgba[4 * ((y + top) * width + left) + x] / 255.0f;
        }
    }
    if (c->pixels == NULL) {
        fail(c->name, "no memory");
    }
}

static void load_glyph(concept *c, hb_font_t *font)
{
    unsigned count = 0, size = 0;
    hb_buffer_t *buffer = hb_buffer_create();
    hb_buffer_add_utf8(buffer, c->text, -1, 0, -1);
    hb_buffer_guess_segment_properties(buffer);
    hb_shape(font, buffer, NULL, 0);
    const hb_glyph_info_t *glyphs = hb_buffer_get_glyph_infos(buffer, &count);
    hb_blob_t *png = count > 0 ? hb_ot_color_glyph_reference_png(font, glyphs[0].codepoint) : hb_blob_get_empty();
    const char *data = hb_blob_get_data(png, &size);
    VipsImage *image = size > 0 ? vips_image_new_from_buffer(data, size, "", NULL) : NULL;
    VipsImage *rgb = NULL;
    size_t bytes = 0;
    if (image == NULL || vips_colourspace(image, &rgb, VIPS_INTERPRETATION_sRGB, NULL) != 0 || rgb->Bands != 4) {
        fail(c->name, "the font has no picture of it");
    }
    unsigned char *rgba = vips_image_write_to_memory(rgb, &bytes);
    crop(c, rgba, rgb->Xsize, rgb->Ysize);
    g_free(rgba);
    g_object_unref(rgb);
    g_object_unref(image);
    hb_blob_destroy(png);
    hb_buffer_destroy(buffer);
}

static void load_glyphs(concepts *c)
{
    hb_blob_t *blob = hb_blob_create_from_file_or_fail(font_path);
    if (blob == NULL) {
        fail(font_path, "not there; the package fonts-noto-color-emoji has it");
    }
    hb_face_t *face = hb_face_create(blob, 0);
    hb_font_t *font = hb_font_create(face);
    hb_font_set_ppem(font, 128, 128);
    for (int i = 0; i < c->count; i++) {
        load_glyph(&c->items[i], font);
    }
    hb_font_destroy(font);
    hb_face_destroy(face);
    hb_blob_destroy(blob);
}

/* --- grounds -------------------------------------------------------------------------------------------------------
 */

typedef struct picture {
    colour at[SIDE][SIDE];
} picture;

static const struct {
    const char *name;
    colour value;
} plain[] = {
    {"red", {0.85f, 0.15f, 0.15f}},   {"orange", {0.98f, 0.60f, 0.15f}}, {"yellow", {0.99f, 0.90f, 0.25f}},
    {"green", {0.25f, 0.70f, 0.30f}}, {"blue", {0.20f, 0.45f, 0.90f}},   {"purple", {0.55f, 0.30f, 0.75f}},
    {"pink", {0.98f, 0.65f, 0.78f}},  {"brown", {0.50f, 0.33f, 0.20f}},  {"black", {0.05f, 0.05f, 0.06f}},
    {"grey", {0.60f, 0.60f, 0.62f}},
};
enum { PLAIN = sizeof plain / sizeof *plain };

static colour mix(colour a, colour b, float t)
{
    return (colour){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

static void fill(picture *p, colour top, colour bottom, int first, int last)
{
    for (int y = first; y < last; y++) {
        const colour c = mix(top, bottom, (float)(y - first) / (float)(last - first));
        for (int x = 0; x < SIDE; x++) {
            p->at[y][x] = c;
        }
    }
}

static void disc(picture *p, float cx, float cy, float radius, colour c)
{
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            const float d = hypotf((float)x + 0.5f - cx, (float)y + 0.5f - cy);
            const float cover = fminf(fmaxf(radius + 0.5f - d, 0.0f), 1.0f);
            p->at[y][x] = mix(p->at[y][x], c, cover);
        }
    }
}

static void dots(picture *p, uint64_t *r, int count, float least, float most, int bottom, colour c)
{
    for (int i = 0; i < count; i++) {
        const float x = between(r, 0, SIDE), y = between(r, 0, (float)bottom);
        disc(p, x, y, between(r, least, most), c);
    }
}

/* A ground below a wavy line. */
static void hills(picture *p, uint64_t *r, float level, float height, colour c, colour low)
{
    const float phase = between(r, 0, 6.3f), length = between(r, 9, 16);
    for (int x = 0; x < SIDE; x++) {
        const float line = level + height * sinf((float)x / length + phase);
        for (int y = (int)line; y < SIDE; y++) {
            p->at[y][x] = mix(c, low, (float)(y - (int)line) / (float)SIDE * 1.6f);
        }
    }
}

static void grass(picture *p, uint64_t *r)
{
    fill(p, (colour){0.50f, 0.78f, 0.98f}, (colour){0.82f, 0.93f, 1.0f}, 0, SIDE);
    hills(p, r, between(r, 38, 44), 2, (colour){0.45f, 0.78f, 0.30f}, (colour){0.20f, 0.55f, 0.18f});
}

static void snow(picture *p, uint64_t *r)
{
    fill(p, (colour){0.55f, 0.68f, 0.85f}, (colour){0.78f, 0.86f, 0.95f}, 0, SIDE);
    hills(p, r, between(r, 40, 46), 2, (colour){0.97f, 0.98f, 1.0f}, (colour){0.88f, 0.92f, 0.98f});
    dots(p, r, 26, 0.7f, 1.6f, SIDE, (colour){1, 1, 1});
}

static void beach(picture *p, uint64_t *r)
{
    const int sea = 26 + below(r, 6);
    fill(p, (colour){0.45f, 0.78f, 1.0f}, (colour){0.80f, 0.94f, 1.0f}, 0, sea);
    fill(p, (colour){0.10f, 0.50f, 0.80f}, (colour){0.30f, 0.75f, 0.85f}, sea, SIDE);
    hills(p, r, (float)sea + 14, 1.5f, (colour){0.97f, 0.88f, 0.62f}, (colour){0.90f, 0.78f, 0.50f});
}

static void desert(picture *p, uint64_t *r)
{
    fill(p, (colour){0.98f, 0.80f, 0.50f}, (colour){1.0f, 0.92f, 0.72f}, 0, SIDE);
    hills(p, r, between(r, 34, 40), 4, (colour){0.90f, 0.66f, 0.35f}, (colour){0.80f, 0.55f, 0.28f});
    hills(p, r, between(r, 46, 50), 3, (colour){0.85f, 0.58f, 0.28f}, (colour){0.75f, 0.48f, 0.22f});
}

static void night(picture *p, uint64_t *r)
{
    fill(p, (colour){0.04f, 0.05f, 0.20f}, (colour){0.12f, 0.14f, 0.38f}, 0, SIDE);
    dots(p, r, 18, 0.5f, 1.0f, 46, (colour){1.0f, 1.0f, 0.85f});
    const float x = uniform(r) < 0.5f ? between(r, 8, 14) : between(r, 50, 56);
    disc(p, x, between(r, 8, 12), 5.5f, (colour){0.99f, 0.95f, 0.70f});
    hills(p, r, 54, 1.5f, (colour){0.05f, 0.10f, 0.14f}, (colour){0.02f, 0.05f, 0.08f});
}

static void space(picture *p, uint64_t *r)
{
    fill(p, (colour){0.02f, 0.01f, 0.05f}, (colour){0.08f, 0.03f, 0.14f}, 0, SIDE);
    dots(p, r, 34, 0.4f, 1.0f, SIDE, (colour){0.95f, 0.95f, 1.0f});
    disc(p, uniform(r) < 0.5f ? 6 : 58, uniform(r) < 0.5f ? 8 : 56, between(r, 7, 11), plain[below(r, 7)].value);
}

static void water(picture *p, uint64_t *r)
{
    fill(p, (colour){0.35f, 0.80f, 0.95f}, (colour){0.03f, 0.25f, 0.55f}, 0, SIDE);
    dots(p, r, 14, 1.0f, 2.6f, SIDE, (colour){0.75f, 0.93f, 1.0f});
}

static void sunset(picture *p, uint64_t *r)
{
    fill(p, (colour){0.45f, 0.20f, 0.50f}, (colour){0.99f, 0.65f, 0.30f}, 0, SIDE);
    disc(p, between(r, 10, 54), 42, 9, (colour){1.0f, 0.90f, 0.45f});
    hills(p, r, 50, 2, (colour){0.22f, 0.10f, 0.18f}, (colour){0.12f, 0.05f, 0.10f});
}

static const struct {
    const char *where; /* in captions */
    void (*draw)(picture *p, uint64_t *r);
} scenes[] = {
    {"in the grass", grass}, {"in the snow", snow}, {"on the beach", beach}, {"in the desert", desert},
    {"at night", night},     {"in space", space},   {"under water", water},  {"at sunset", sunset},
};
enum { SCENES = sizeof scenes / sizeof *scenes };

/* --- a picture -----------------------------------------------------------------------------------------------------
 */

/* The mean of the glyph, premultiplied, over the square that a pixel covers. */
static void sample(float out[4], const concept *c, float left, float top, float size)
{
    float weight = 0;
    memset(out, 0, 4 * sizeof *out);
    for (int y = (int)floorf(top); (float)y < top + size; y++) {
        const float high = fminf((float)y + 1, top + size) - fmaxf((float)y, top);
        for (int x = (int)floorf(left); (float)x < left + size; x++) {
            const float area = high * (fminf((float)x + 1, left + size) - fmaxf((float)x, left));
            weight += area;
            if (x >= 0 && y >= 0 && x < c->width && y < c->height) {
                const float *pixel = c->pixels + 4 * (y * c->width + x);
                for (int k = 0; k < 3; k++) {
                    out[k] += area * pixel[k] * pixel[3];
                }
                out[3] += area * pixel[3];
            }
        }
    }
    for (int k = 0; k < 4; k++) {
        out[k] /= weight;
    }
}

/* The glyph at its place: premultiplied rgba of each pixel. */
static void place(float (*out)[SIDE][4], const concept *c, uint64_t *r, float extent)
{
    const float scale = extent / (float)(c->width > c->height ? c->width : c->height);
    const float width = scale * (float)c->width, height = scale * (float)c->height;
    const float left = (SIDE - width) / 2 + between(r, -3, 3), top = (SIDE - height) / 2 + between(r, -2, 3);
    const bool flipped = uniform(r) < 0.5f;
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            sample(out[y][flipped ? SIDE - 1 - x : x], c, ((float)x - left) / scale, ((float)y - top) / scale,
                   1.0f / scale);
        }
    }
}

static void draw(picture *p, float (*glyph)[SIDE][4])
{
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            colour *c = &p->at[y][x];
            const float *g = glyph[y][x];
            *c = (colour){g[0] + c->r * (1 - g[3]), g[1] + c->g * (1 - g[3]), g[2] + c->b * (1 - g[3])};
        }
    }
}

static float light(colour c)
{
    return 0.299f * c.r + 0.587f * c.g + 0.114f * c.b;
}

static void silhouette(picture *p, float (*glyph)[SIDE][4])
{
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            p->at[y][x] = mix((colour){1, 1, 1}, (colour){0.03f, 0.03f, 0.03f}, glyph[y][x][3]);
        }
    }
}

static void sepia(picture *p, float (*glyph)[SIDE][4])
{
    draw(p, glyph);
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            const float l = light(p->at[y][x]);
            p->at[y][x] = mix((colour){0.22f, 0.12f, 0.05f}, (colour){1.0f, 0.93f, 0.78f}, l);
        }
    }
}

/* Lines where light or transparency changes. */
static void pencil(picture *p, float (*glyph)[SIDE][4])
{
    float l[SIDE][SIDE];
    draw(p, glyph);
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            l[y][x] = light(p->at[y][x]) - 0.7f * glyph[y][x][3];
        }
    }
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            const int right = x + 1 < SIDE ? x + 1 : x, low = y + 1 < SIDE ? y + 1 : y;
            const float edge = hypotf(l[y][right] - l[y][x], l[low][x] - l[y][x]);
            const float grey = 1.0f - fminf(2.2f * edge, 0.8f);
            p->at[y][x] = (colour){grey, grey, grey};
        }
    }
}

/* Squares of four pixels, six levels of each colour. */
static void pixel_art(picture *p, float (*glyph)[SIDE][4])
{
    draw(p, glyph);
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            const colour c = p->at[y / 4 * 4 + (y % 4 == 0 && x % 4 == 0 ? 2 : 0)][x / 4 * 4];
            p->at[y][x] = (colour){roundf(c.r * 5) / 5, roundf(c.g * 5) / 5, roundf(c.b * 5) / 5};
        }
    }
}

static const struct {
    const char *what; /* in captions, with an article in front of the name */
    void (*draw)(picture *p, float (*glyph)[SIDE][4]);
} styles[] = {
    {"a silhouette of %s", silhouette},
    {"a sepia photo of %s", sepia},
    {"a pencil drawing of %s", pencil},
    {"pixel art of %s", pixel_art},
};
enum { STYLES = sizeof styles / sizeof *styles };

static void with_article(char out[2 * NAME], const char *name)
{
    const bool several = strcmp(name, "grapes") == 0 || strcmp(name, "cherries") == 0 || strcmp(name, "books") == 0 ||
                         strcmp(name, "glasses") == 0 || strcmp(name, "scissors") == 0 ||
                         strcmp(name, "pancakes") == 0 || strcmp(name, "french fries") == 0;
    const bool vowel = strchr("aeiouAEIOU", name[0]) != NULL && strncmp(name, "unicorn", 7) != 0;
    snprintf(out, 2 * NAME, "%s%s", several ? "" : vowel ? "an " : "a ", name);
}

/* Makes picture `number`, and its caption. */
static void make(picture *p, char caption[4 * NAME], const concepts *c, uint64_t number)
{
    static float glyph[SIDE][SIDE][4];
    char name[2 * NAME], subject[3 * NAME];
    uint64_t r = number * 0x2545f4914f6cdd1du;
    const concept *of = &c->items[number % (uint64_t)c->count];
    const float style = uniform(&r), ground = uniform(&r);
    with_article(name, of->name);
    fill(p, (colour){1, 1, 1}, (colour){1, 1, 1}, 0, SIDE);
    if (style < 0.125f) {
        const int k = below(&r, STYLES);
        place(glyph, of, &r, between(&r, 44, 58));
        styles[k].draw(p, glyph);
        snprintf(caption, 4 * NAME, styles[k].what, name);
        return;
    }
    const char *const forms[] = {"%s", "%s", "an emoji of %s", "a picture of %s"};
    snprintf(subject, sizeof subject, forms[below(&r, 4)], name);
    if (ground < 0.5f) {
        place(glyph, of, &r, between(&r, 46, 58));
        snprintf(caption, 4 * NAME, uniform(&r) < 0.4f ? "%s on a white background" : "%s", subject);
    } else if (ground < 0.75f) {
        const int k = below(&r, PLAIN);
        fill(p, plain[k].value, plain[k].value, 0, SIDE);
        place(glyph, of, &r, between(&r, 44, 56));
        snprintf(caption, 4 * NAME, "%s on a %s background", subject, plain[k].name);
    } else {
        const int k = below(&r, SCENES);
        scenes[k].draw(p, &r);
        place(glyph, of, &r, between(&r, 40, 50));
        snprintf(caption, 4 * NAME, "%s %s", subject, scenes[k].where);
    }
    draw(p, glyph);
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

static void write_picture(const picture *p, const char *path)
{
    unsigned char bytes[SIDE * SIDE * 3];
    const float *values = &p->at[0][0].r;
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        bytes[i] = (unsigned char)lrintf(255.0f * fminf(fmaxf(values[i], 0.0f), 1.0f));
    }
    VipsImage *image = vips_image_new_from_memory(bytes, sizeof bytes, SIDE, SIDE, 3, VIPS_FORMAT_UCHAR);
    if (image == NULL || vips_pngsave(image, path, "compression", 3, NULL) != 0) {
        fail(path, vips_error_buffer());
    }
    g_object_unref(image);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (file == NULL || fprintf(file, "%s\n", text) < 0 || fclose(file) != 0) {
        fail(path, "cannot be written");
    }
}

/* Every word that a caption can have. */
static void write_words(const char *folder, const concepts *c)
{
    char path[4096];
    snprintf(path, sizeof path, "%s.captions.txt", folder);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        fail(path, "cannot be written");
    }
    fprintf(file, "an emoji of a picture of on a white background\n");
    for (int i = 0; i < c->count; i++) {
        fprintf(file, "%s\n", c->items[i].name);
    }
    for (int i = 0; i < PLAIN; i++) {
        fprintf(file, "on a %s background\n", plain[i].name);
    }
    for (int i = 0; i < SCENES; i++) {
        fprintf(file, "%s\n", scenes[i].where);
    }
    for (int i = 0; i < STYLES; i++) {
        fprintf(file, styles[i].what, "\n");
    }
    if (fclose(file) != 0) {
        fail(path, "cannot be written");
    }
}

int main(int argc, char **argv)
{
    static concepts c;
    if (argc < 4) {
        fprintf(stderr, "usage: make_pictures CONCEPTS COUNT FOLDER [FIRST]\n");
        return 2;
    }
    if (VIPS_INIT(argv[0]) != 0) {
        fail("libvips", vips_error_buffer());
    }
    const long count = strtol(argv[2], NULL, 10);
    const uint64_t first = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    read_list(&c, argv[1]);
    read_names(&c);
    load_glyphs(&c);
    mkdir(argv[3], 0777);
    write_words(argv[3], &c);
    for (long i = 0; i < count; i++) {
        picture p;
        char caption[4 * NAME], path[4096];
        make(&p, caption, &c, first + (uint64_t)i);
        snprintf(path, sizeof path, "%s/%06llu.png", argv[3], (unsigned long long)(first + (uint64_t)i));
        write_picture(&p, path);
        snprintf(path, sizeof path, "%s/%06llu.txt", argv[3], (unsigned long long)(first + (uint64_t)i));
        write_text(path, caption);
    }
    printf("%ld pictures of %d concepts in %s\n", count, c.count, argv[3]);
    return 0;
}
