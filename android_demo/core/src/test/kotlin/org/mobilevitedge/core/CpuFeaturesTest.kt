package org.mobilevitedge.core

import kotlin.test.Test
import kotlin.test.assertEquals

class CpuFeaturesTest {
    private val needed = listOf("atomics", "asimddp")

    private fun core(number: Int, features: String) = "processor\t: $number\nBogoMIPS\t: 38.40\nFeatures\t: $features\nCPU part\t: 0xd03\n\n"

    @Test
    fun `instructions that every core has are there, those of some are not`() {
        val old = core(0, "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid")
        val new = core(1, "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp")
        assertEquals(listOf(false, true, false), listOf(old, new, old + new).map { CpuFeatures.parse(it).has(needed) })
    }

    @Test
    fun `what the system does not tell is no reason to refuse`() {
        for (text in listOf("", "processor\t: 0\nmodel name\t: x\n")) assertEquals(true, CpuFeatures.parse(text).has(needed))
    }
}
