package org.mobilevitedge.app

import android.app.Activity
import android.view.View
import android.widget.Button
import android.widget.LinearLayout

/** Make [view] the screen, beside the system's bars and not below them. */
fun Activity.showScreen(view: View) {
    view.fitsSystemWindows = true
    setContentView(view)
}

/** Views below one another. */
fun Activity.column(views: List<View>) = LinearLayout(this).apply {
    orientation = LinearLayout.VERTICAL
    val edge = (16 * resources.displayMetrics.density).toInt()
    setPadding(edge, edge, edge, edge)
    for (view in views) addView(view, LinearLayout.LayoutParams(LinearLayout.LayoutParams.MATCH_PARENT, LinearLayout.LayoutParams.WRAP_CONTENT))
}

/** A button with the text of a resource. */
fun Activity.button(text: Int, action: () -> Unit) = Button(this).apply {
    setText(text)
    setOnClickListener { action() }
}
