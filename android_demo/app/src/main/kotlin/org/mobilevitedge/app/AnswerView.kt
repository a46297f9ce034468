package org.mobilevitedge.app

import android.content.Context
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.RectF
import android.view.View
import java.util.Locale
import org.mobilevitedge.core.ClassScore
import org.mobilevitedge.core.LegendRow

/** The best classes of an image, a bar each, with the color in which they are drawn over the image; at most [most]. */
class AnswerView(context: Context, val most: Int) : View(context) {
    private val density = resources.displayMetrics.density
    private val text = Paint(Paint.ANTI_ALIAS_FLAG).apply {
        color = context.getColor(R.color.ink)
        textSize = 16 * resources.displayMetrics.scaledDensity
    }
    private val bar = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = context.getColor(R.color.bar) }
    private val swatch = Paint()
    private val box = RectF()
    private var rows: List<LegendRow> = emptyList()

    /** Show these, best first; none clears the view. */
    fun show(rows: List<LegendRow>) {
        val isTaller = rows.size > maxOf(LEAST, this.rows.size)
        this.rows = rows
        contentDescription = rows.joinToString { "${it.score.label} ${percent(it.score)}" }
        if (isTaller) requestLayout()
        invalidate()
    }

    override fun onMeasure(widthSpec: Int, heightSpec: Int) {
        val height = (maxOf(LEAST, rows.size) * rowHeight()).toInt()
        setMeasuredDimension(getDefaultSize(suggestedMinimumWidth, widthSpec), resolveSize(height, heightSpec))
    }

    override fun onDraw(canvas: Canvas) {
        val row = rowHeight()
        val gap = 2 * density
        for ((number, shown) in rows.withIndex()) {
            val score = shown.score
            val top = number * row
            box.set(0f, top + gap, width * score.probability.toFloat(), top + row - gap)
            canvas.drawRoundRect(box, 4 * density, 4 * density, bar)
            val line = top + row / 2 - (text.ascent() + text.descent()) / 2
            val percent = percent(score)
            val room = width - text.measureText(percent) - 16 * density
            val start = 8 * density + if (shown.color == null) 0f else row
            shown.color?.let {
                swatch.color = OPAQUE or it
                canvas.drawRect(8 * density, top + 3 * gap, row, top + row - 3 * gap, swatch)
            }
            val label = score.label.take(text.breakText(score.label, true, room - start, null))
            canvas.drawText(label, start, line, text)
            canvas.drawText(percent, room + 8 * density, line, text)
        }
    }

    private fun rowHeight() = text.fontSpacing * 1.5f

    private fun percent(score: ClassScore) = String.format(Locale.getDefault(), "%.1f %%", score.probability * 100)

    companion object {
        /** Rows that there is always room for, so that what lies around does not move. */
        const val LEAST = 5

        /** Of a photo's legend. */
        const val LEGEND = 20
        private const val OPAQUE = 0xFF shl 24
    }
}
