package android.content.res

import android.util.DisplayMetrics

class Resources(val displayMetrics: DisplayMetrics, private val texts: Map<Int, String>) {
    fun getString(id: Int, vararg values: Any): String = String.format(texts.getValue(id), *values)
}
