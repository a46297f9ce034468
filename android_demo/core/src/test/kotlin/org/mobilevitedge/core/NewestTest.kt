package org.mobilevitedge.core

import kotlin.test.Test
import kotlin.test.assertEquals

class NewestTest {
    @Test
    fun `an answer to an earlier question is stale`() {
        val newest = Newest()
        val first = newest.ask()
        assertEquals(true, newest.isCurrent(first))
        val second = newest.ask()
        assertEquals(listOf(false, true), listOf(first, second).map(newest::isCurrent))
    }
}
