package org.mobilevitedge.core

import kotlin.test.Test
import kotlin.test.assertEquals

class InterruptionsTest {
    @Test
    fun `what is over is told once, what goes on every time`() {
        val seen = Interruptions()
        assertEquals(emptyList(), seen.take())
        seen.begin("in the background")
        seen.once("a call")
        assertEquals(listOf("in the background", "a call"), seen.take())
        assertEquals(listOf("in the background"), seen.take())
        seen.end("in the background")
        assertEquals(emptyList(), seen.take())
    }

    @Test
    fun `what began and ended since is told`() {
        val seen = Interruptions()
        seen.begin("in the background")
        seen.end("in the background")
        assertEquals(listOf("in the background"), seen.take())
    }
}
