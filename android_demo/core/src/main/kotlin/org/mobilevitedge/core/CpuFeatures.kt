package org.mobilevitedge.core

/** Instructions of an ARM processor, by the names that Linux gives them in `/proc/cpuinfo`. */
data class CpuFeatures(private val names: Set<String>?) {
    /**
     * Whether every core has [wanted]. True where the system does not tell: a refusal needs a reason.
     */
    fun has(wanted: Collection<String>): Boolean = names == null || names.containsAll(wanted)

    companion object {
        /** From the text of `/proc/cpuinfo`, which lists the features of each core. */
        fun parse(text: String): CpuFeatures {
            val cores = text.lines().filter { it.substringBefore(':').trim() == "Features" }
                .map { it.substringAfter(':').trim().split(Regex("\\s+")).toSet() }
            return CpuFeatures(cores.reduceOrNull { all, core -> all intersect core })
        }
    }
}
