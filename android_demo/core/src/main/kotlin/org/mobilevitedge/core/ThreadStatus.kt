package org.mobilevitedge.core

/** What Linux tells of a thread in `/proc/self/task/TID/status`. */
data class ThreadStatus(val cores: List<Int>?, val involuntarySwitches: Long?) {
    companion object {
        private const val MOST_CORES = 4096

        fun parse(text: String): ThreadStatus {
            val fields = text.lines().associate { line -> Pair(line.substringBefore(':'), line.substringAfter(':').trim()) }
            return ThreadStatus(
                cores = fields["Cpus_allowed_list"]?.let(::cores),
                involuntarySwitches = fields["nonvoluntary_ctxt_switches"]?.toLongOrNull(),
            )
        }

        /** `0-3,7` as numbers; null if it is nothing of the kind. */
        private fun cores(list: String): List<Int>? =
            list.split(',').flatMap { part ->
                val first = part.substringBefore('-').toIntOrNull() ?: return null
                val last = part.substringAfter('-').toIntOrNull() ?: return null
                if (first < 0 || last !in first until MOST_CORES) return null
                first..last
            }
    }
}
