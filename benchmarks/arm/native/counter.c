/* A plugin of QEMU (API version 1) that counts executed AArch64 instructions by kind.
 *
 * The guest marks moments by write(MARKER_FD, ...), to a descriptor that nobody has open. At each the
 * plugin prints the counts so far; whoever reads them takes differences. Counts are added up once a
 * block of straight code, so an exception within a block counts the whole block.
 *
 * Debian ships no plugin header: the few declarations needed stand here.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct qemu_info_t qemu_info_t;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

typedef void (*translated_t)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*syscall_t)(qemu_plugin_id_t, unsigned int vcpu, int64_t number, uint64_t a1,
                          uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
                          uint64_t a7, uint64_t a8);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated_t);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, syscall_t);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op,
                                              void *counter, uint64_t amount);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
void qemu_plugin_outs(const char *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { WRITE = 64, MARKER_FD = 1000 };
enum { ALL, FMLA, DOT, LOAD_STORE, KINDS };
static uint64_t counts[KINDS];

struct pattern {
    uint32_t mask, value;
};

/* Vector multiply-add in floating point: FMLA, FMLS; by vector and by element; fp32/64 and fp16. */
static const struct pattern fmla[] = {
    {0xBFA0FC00, 0x0E20CC00}, {0xBFA0FC00, 0x0EA0CC00}, {0xBF80F400, 0x0F801000},
    {0xBF80F400, 0x0F805000}, {0xBFE0FC00, 0x0E400C00}, {0xBFE0FC00, 0x0EC00C00},
    {0xBFC0F400, 0x0F001000}, {0xBFC0F400, 0x0F005000},
};

/* Products of bytes summed in 32 bits: SDOT, UDOT, USDOT, SUDOT; SMMLA, UMMLA, USMMLA. */
static const struct pattern dot[] = {
    {0xBFE0FC00, 0x0E809400}, {0xBFE0FC00, 0x2E809400}, {0xBFE0FC00, 0x0E809C00},
    {0xBFC0F400, 0x0F80E000}, {0xBFC0F400, 0x2F80E000}, {0xBFC0F400, 0x0F80F000},
    {0xBFC0F400, 0x0F00F000}, {0xFFE0FC00, 0x4E80A400}, {0xFFE0FC00, 0x6E80A400},
    {0xFFE0FC00, 0x4E80AC00},
};

/* The whole group of loads and stores in the architecture's encoding table. */
static const struct pattern load_store[] = {{0x0A000000, 0x08000000}};

#define ANY(patterns, word) any(patterns, sizeof(patterns) / sizeof *(patterns), word)

static bool any(const struct pattern *patterns, size_t number, uint32_t word) {
    for (size_t i = 0; i < number; i++)
        if ((word & patterns[i].mask) == patterns[i].value) return true;
    return false;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    uint64_t found[KINDS] = {0};
    size_t number = qemu_plugin_tb_n_insns(block);
    (void)id;
    for (size_t i = 0; i < number; i++) {
        uint32_t word = *(const uint32_t *)qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i));
        found[FMLA] += ANY(fmla, word);
        found[DOT] += ANY(dot, word);
        found[LOAD_STORE] += ANY(load_store, word);
    }
    found[ALL] = number;
    for (int kind = 0; kind < KINDS; kind++)
        if (found[kind])
            qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64,
                                                     &counts[kind], found[kind]);
}

static void on_syscall(qemu_plugin_id_t id, unsigned int vcpu, int64_t number, uint64_t fd,
                       uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
                       uint64_t a7, uint64_t a8) {
    char line[160];
    (void)id, (void)vcpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != WRITE || fd != MARKER_FD) return;
    snprintf(line, sizeof line, "counts %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
             counts[ALL], counts[FMLA], counts[DOT], counts[LOAD_STORE]);
    qemu_plugin_outs(line);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id,
                                                               const qemu_info_t *info, int argc,
                                                               char **argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    return 0;
}
