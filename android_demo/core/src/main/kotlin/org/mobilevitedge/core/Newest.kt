package org.mobilevitedge.core

/** Tells the answer to the newest question from late ones. For one thread. */
class Newest {
    private var number = 0

    /** A new question: answers to earlier ones are stale. */
    fun ask(): Int = ++number

    fun isCurrent(question: Int): Boolean = question == number
}
